// One element of Shape-Contoured Fusion: the contours, and the one rounding of w·(1 + t).
#include "contourfuse/numeric/scf.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>

#include "contourfuse/numeric/float_formats.hpp"

namespace contourfuse {
namespace {

TEST(Contour, OfDownIsOneMultiply) {
  EXPECT_EQ(contour_down(0.25F, 3.0F), 0.75F);
  EXPECT_EQ(contour_down(-0.1F, 0.7F), -0.1F * 0.7F);
  EXPECT_TRUE(std::isnan(contour_down(HUGE_VALF, 0.0F)));
}

TEST(Contour, OfGateIsClamped) {
  EXPECT_EQ(contour_gate(0.049F, 0.05F), 0.049F);
  EXPECT_EQ(contour_gate(0.05F, 0.05F), 0.05F);
  EXPECT_EQ(contour_gate(0.2F, 0.05F), 0.05F);
  EXPECT_EQ(contour_gate(-0.2F, 0.05F), -0.05F);
  EXPECT_EQ(contour_gate(-HUGE_VALF, 25.0F), -25.0F);
  EXPECT_EQ(contour_gate(0.3F, 0.0F), 0.0F);
  EXPECT_TRUE(std::isnan(contour_gate(std::nanf(""), 0.05F)));
}

/// w + t·w exactly, then rounded once to f32.
float rounded_once(float contour, float weight) {
  const double w = static_cast<double>(weight);
  const double product = static_cast<double>(contour) * w;  // exact: 48 bits
  const double sum = w + product;
  const double part = sum - w;
  const double error = (w - (sum - part)) + (product - part);  // what the sum lost
  // Round to odd: the second rounding then errs no more than one from the exact value would.
  double odd = sum;
  if (error != 0 && std::fmod(std::ldexp(sum, 52 - std::ilogb(sum)), 2.0) == 0) {
    odd = std::nextafter(sum, error > 0 ? HUGE_VAL : -HUGE_VAL);
  }
  return static_cast<float>(odd);
}

TEST(ApplyContour, RoundsOnce) {
  std::mt19937 random(11);
  int twice_rounded_differ = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    const float weight = float_of_bits((bits & 0x807FFFFFU) | ((97U + bits % 60U) << 23));
    const auto more = static_cast<std::uint32_t>(random());
    const float contour = float_of_bits((more & 0x807FFFFFU) | ((100U + more % 30U) << 23));
    const float fused = apply_contour(contour, weight);
    ASSERT_EQ(fused, rounded_once(contour, weight)) << std::hexfloat << contour << " " << weight;
    const volatile float product = contour * weight;
    if (fused != product + weight) ++twice_rounded_differ;
  }
  EXPECT_GT(twice_rounded_differ, 1000);  // the test can tell
}

TEST(ApplyContour, KeepsWhatHasNoContour) {
  EXPECT_EQ(apply_contour(0.0F, 0.3F), 0.3F);
  EXPECT_EQ(apply_contour(-1.0F, 0.3F), 0.0F);
  EXPECT_TRUE(std::signbit(apply_contour(0.5F, -0.0F)));
  EXPECT_FALSE(std::signbit(apply_contour(-0.5F, -0.0F)));  // −0 with t < 0 becomes +0
}

}  // namespace
}  // namespace contourfuse
