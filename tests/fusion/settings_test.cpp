// The words and the defaults of a fuse's settings.
#include "contourfuse/fusion/settings.hpp"

#include <gtest/gtest.h>

namespace contourfuse {
namespace {

TEST(FuseSettings, HaveTheirWords) {
  EXPECT_EQ(to_string(VarianceNorm::kMatch), "match");
  EXPECT_EQ(to_string(VarianceNorm::kUnit), "unit");
  EXPECT_EQ(to_string(VarianceNorm::kNone), "none");
  EXPECT_EQ(to_string(Rounding::kNearest), "nearest");
  EXPECT_EQ(to_string(Rounding::kStochastic), "stochastic");
  EXPECT_EQ(to_string(NonFinite::kError), "error");
  EXPECT_EQ(to_string(NonFinite::kKeep), "keep");
}

TEST(FuseSettings, HaveTheDocumentedDefaults) {
  const FuseParameters parameters;
  EXPECT_EQ(parameters.alpha, 0.02);
  EXPECT_EQ(parameters.gamma_cap, 0.05);
  EXPECT_EQ(parameters.variance_norm, VarianceNorm::kMatch);
  EXPECT_EQ(parameters.rounding, Rounding::kNearest);
  EXPECT_EQ(parameters.nonfinite, NonFinite::kError);
  EXPECT_FALSE(parameters.require_full_coverage);
}

}  // namespace
}  // namespace contourfuse
