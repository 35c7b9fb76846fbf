// Families by name.
#include "contourfuse/neuron/families.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

NamedFunction make(std::string_view family, std::vector<double> parameters) {
  return make_family(family, parameters);
}

TEST(Families, ComputeWhatTheirNamesSay) {
  EXPECT_EQ(make("linear", {}).function(2.5), 2.5);
  EXPECT_EQ(make("hardtanh", {1}).function(2.5), 1);
  EXPECT_EQ(make("softthreshold", {0.5}).function(2.5), 2);
  EXPECT_EQ(make("softthreshold", {0.5}).function(0.25), 0);
  EXPECT_EQ(make("leaky_clip", {1, 0.25}).function(3), 1.5);
  EXPECT_EQ(make("deadzone_clip", {0.5, 1.5}).function(3), 1);
  EXPECT_EQ(make("two_slope", {0.75, 0.5, 1.5}).function(1.75), 1.875);
  EXPECT_EQ(make("leaky_clip", {1, 0.25}).name, "leaky_clip(1, 0.25)");
  EXPECT_EQ(make("linear", {}).name, "linear");
}

TEST(Families, RefuseWrongParameters) {
  for (const auto& bad :
       std::vector<std::pair<const char*, std::vector<double>>>{{"staircase", {1}},
                                                                {"linear", {1}},
                                                                {"hardtanh", {}},
                                                                {"hardtanh", {-1}},
                                                                {"deadzone_clip", {1.5, 0.5}},
                                                                {"two_slope", {1, 2}}}) {
    EXPECT_THROW(static_cast<void>(make(bad.first, bad.second)), Error) << bad.first;
  }
}

}  // namespace
}  // namespace contourfuse
