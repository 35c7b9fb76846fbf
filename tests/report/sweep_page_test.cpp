// The sweep's page is whole, stands alone, and holds its document so that nothing in it can get
// out.
#include "contourfuse/report/sweep_page.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace contourfuse {
namespace {

std::size_t times(std::string_view text, std::string_view word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
  return found;
}

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == text.npos) return {};
  const std::string_view rest = text.substr(begin + before.size());
  return rest.substr(0, rest.find(after));
}

constexpr std::string_view kDocumentElement = R"(<script type="application/json" id="document">)";

TEST(SweepPage, HoldsTheDocumentAndEveryPartOnce) {
  const std::string page = sweep_page(R"({"schema":"contourfuse.sweep/1","alphas":[0.5]})");
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>\n"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_EQ(between(page, kDocumentElement, "</script>"),
            R"({"schema":"contourfuse.sweep/1","alphas":[0.5]})");
  for (const std::string_view part :
       {"@media print", "define.module = \"vega-view\";", "define.module = \"vega-interpreter\";",
        "const sweep = ", "function mapSpec(", "function fillHeader(", "UW Interactive Data Lab"}) {
    EXPECT_EQ(times(page, part), 1U) << part;
  }
  for (const std::string_view place : {"@style@", "@vega@", "@script@", "@document@"}) {
    EXPECT_EQ(times(page, place), 0U) << place;
  }
}

TEST(SweepPage, LetsNoTextOfTheDocumentOutOfItsElement) {
  const std::string page =
      sweep_page("{\"model\":\"</script><!--<script>@document@\xE2\x80\xA8|\xE2\x80\xA9|é\"}");
  EXPECT_EQ(between(page, kDocumentElement, "</script>"),
            "{\"model\":\"\\u003c/script>\\u003c!--\\u003cscript>@document@\\u2028|\\u2029|é\"}");
  EXPECT_EQ(times(page, "</script>"), 3U);
}

TEST(SweepPage, AsksForNothingFromElsewhere) {
  const std::string page = sweep_page("{}");
  EXPECT_EQ(between(page, R"(http-equiv="Content-Security-Policy" content=")", "\""),
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
            "img-src data: blob:; base-uri 'none'; form-action 'none'");
  for (const std::string_view word : {"<script src", "rel=\"stylesheet\"", "@import", "url(http",
                                      "sourceMappingURL", "fetch(\""}) {
    EXPECT_EQ(times(page, word), 0U) << word;
  }
}

TEST(SweepPage, IsTheSameForTheSameDocument) {
  const std::string page = sweep_page(R"({"alphas":[1]})");
  EXPECT_EQ(page, sweep_page(R"({"alphas":[1]})"));
  EXPECT_EQ(page.size(), sweep_page("").size() + std::string_view(R"({"alphas":[1]})").size());
}

}  // namespace
}  // namespace contourfuse
