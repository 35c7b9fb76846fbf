// The bank page holds every neuron, escapes what it is given and stands alone.
#include "contourfuse/report/bank_page.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace contourfuse {
namespace {

NeuronCurves make_curves(std::string name) {
  NeuronCurves curves;
  curves.name = std::move(name);
  curves.kind = "both";
  curves.fit_error = 0.0217;
  curves.z = {-1, 0, 1};
  curves.function = {-1, 0, 1};
  curves.derivative = {1, 1, 1};
  curves.realised = {-0.9, 0, 0.9};
  curves.realised_derivative = {0.9, 0.9, 0.9};
  return curves;
}

std::size_t count(std::string_view text, std::string_view word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST(BankPage, DrawsThreeChartsPerNeuron) {
  const std::vector<NeuronCurves> neurons{make_curves("linear"), make_curves("hardtanh(1)")};
  const std::string page = bank_page("silu", 8, neurons);
  EXPECT_EQ(count(page, "<svg "), 6U);
  EXPECT_EQ(count(page, "</svg>"), 6U);
  EXPECT_EQ(count(page, "<path "), 10U);
  EXPECT_EQ(count(page, ">hardtanh(1)<"), 2U);
  EXPECT_EQ(count(page, "2.2 %"), 4U);
  EXPECT_NE(page.find("for silu, 8 gains a cell (16 neurons"), page.npos);
}

TEST(BankPage, PutsPointsWhereTheirValuesAre) {
  const std::string page = bank_page("silu", 8, std::vector{make_curves("linear")});
  // x: 46 … 350 for −1 … 1; y of f: 230 − 22 − (v + 1.12) / 2.24 · 182 with 6 % room on each side.
  EXPECT_NE(page.find("d=\"M46.00 198.25L198.00 117.00L350.00 35.75\""), page.npos);
}

TEST(BankPage, AsksForNothingFromElsewhere) {
  const std::string page = bank_page("silu", 8, std::vector{make_curves("linear")});
  for (const std::string_view word : {"http", "src=", "@import", "url(", "<script", "<link"}) {
    EXPECT_EQ(page.find(word), page.npos) << word;
  }
  EXPECT_NE(page.find("prefers-color-scheme: dark"), page.npos);
}

TEST(BankPage, EscapesNames) {
  const std::string page = bank_page("a&b", 8, std::vector{make_curves("<img src=x>\"'")});
  EXPECT_EQ(page.find("<img"), page.npos);
  EXPECT_NE(page.find("&lt;img src=x&gt;&quot;&#39;"), page.npos);
  EXPECT_NE(page.find("for a&amp;b,"), page.npos);
}

TEST(BankPage, BreaksALineAtNonFinitePoints) {
  NeuronCurves curves = make_curves("linear");
  curves.function[1] = std::numeric_limits<double>::quiet_NaN();
  const std::string page = bank_page("silu", 8, std::vector{curves});
  EXPECT_NE(page.find("d=\"M46.00 198.25M350.00 35.75\""), page.npos);
  EXPECT_EQ(page.find("nan"), page.npos);
}

TEST(BankPage, RefusesCurvesOfUnequalLength) {
  NeuronCurves curves = make_curves("linear");
  curves.realised.pop_back();
  EXPECT_THROW(static_cast<void>(bank_page("silu", 8, std::vector{curves})), std::invalid_argument);
}

}  // namespace
}  // namespace contourfuse
