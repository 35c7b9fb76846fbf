// Budgets as a user writes them.
#include "contourfuse/sweep/settings.hpp"

#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

TEST(Budget, IsAMetricAndALimit) {
  EXPECT_EQ(parse_budget("drift=0.25").metric, BudgetMetric::kDrift);
  EXPECT_EQ(parse_budget("drift=0.25").limit, 0.25);
  EXPECT_EQ(parse_budget("output_error=1").metric, BudgetMetric::kOutputError);
  EXPECT_EQ(parse_budget("error_after_norm=0").limit, 0);
}

TEST(Budget, IsErrorAfterNormIfOnlyALimitIsGiven) {
  EXPECT_EQ(parse_budget("0.1").metric, BudgetMetric::kErrorAfterNorm);
  EXPECT_EQ(parse_budget("0.1").limit, 0.1);
}

TEST(Budget, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"loss=1", "drift=", "drift=-1", "drift=nan", "drift=1x", "", "=1"}) {
    try {
      static_cast<void>(parse_budget(text));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), "bad-budget") << text;
      EXPECT_EQ(error.failure(), Failure::kUsage) << text;
    }
  }
}

}  // namespace
}  // namespace contourfuse
