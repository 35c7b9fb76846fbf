// Axis values as a user writes them.
#include "contourfuse/sweep/axes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

std::vector<double> alphas(const std::vector<std::string>& words) {
  return parse_axis("--alphas", words, true);
}

std::string refusal(const std::vector<std::string>& words, bool negative_allowed = true) {
  try {
    static_cast<void>(parse_axis("--alphas", words, negative_allowed));
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::kUsage);
    EXPECT_EQ(error.kind(), "bad-axis");
    return error.message();
  }
  return "accepted";
}

TEST(Axis, TakesValuesInTheirOrderAndOnce) {
  EXPECT_THAT(alphas({"0.5,0.02", "8", "0.5"}), ElementsAre(0.5, 0.02, 8));
  EXPECT_THAT(alphas({"-1", "0"}), ElementsAre(-1, 0));
}

TEST(Axis, RangesReachBothEnds) {
  EXPECT_THAT(alphas({"lin:0:1:5"}), ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_THAT(
      alphas({"log:0.01:100:5"}),
      ElementsAre(0.01, DoubleNear(0.1, 1e-15), DoubleNear(1, 1e-14), DoubleNear(10, 1e-13), 100));
  EXPECT_THAT(alphas({"lin:2:2:1", "3"}), ElementsAre(2, 3));
  // Their formulas would miss the high end by a bit.
  EXPECT_EQ(alphas({"log:0.3:0.9:3"}).back(), 0.9);
  EXPECT_EQ(alphas({"lin:0.3:0.9:3"}).back(), 0.9);
}

TEST(Axis, SaysWhatIsWrong) {
  EXPECT_EQ(refusal({}), "--alphas: there is no value");
  EXPECT_EQ(refusal({"1,"}), "--alphas: \"\" is no finite number");
  EXPECT_EQ(refusal({"1e39"}), "--alphas: \"1e39\" is no finite number");
  EXPECT_EQ(refusal({"nan"}), "--alphas: \"nan\" is no finite number");
  EXPECT_EQ(refusal({"0x1"}), "--alphas: \"0x1\" is no finite number");
  EXPECT_EQ(refusal({"-1"}, false), "--alphas: \"-1\" is negative");
  EXPECT_EQ(refusal({"log:0:1:3"}), "--alphas: \"log:0:1:3\": a logarithmic range begins above 0");
  EXPECT_EQ(refusal({"lin:1:0:3"}), "--alphas: \"lin:1:0:3\" does not ascend");
  EXPECT_EQ(refusal({"lin:0:1"}), "--alphas: \"lin:0:1\" is no range LOW:HIGH:COUNT");
  EXPECT_EQ(refusal({"lin:0:1:2.5"}), "--alphas: \"lin:0:1:2.5\" needs a count from 1 to 10000");
  EXPECT_EQ(refusal({"lin:0:1:3:4"}), "--alphas: \"lin:0:1:3:4\" needs a count from 1 to 10000");
  EXPECT_EQ(refusal({"lin:0:1:10000", "2"}), "--alphas: more than 10000 values");
}

}  // namespace
}  // namespace contourfuse
