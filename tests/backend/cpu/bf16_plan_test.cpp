// The tables for bf16 weights: thresholds of every weight, and what the codes say of any element.
#include "backend/cpu/bf16_plan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse {
namespace {

bool changes(std::uint16_t weight, float contour) {
  return Bf16::narrow(apply_contour(contour, Bf16::widen(weight))) != weight;
}

std::size_t class_of(std::uint16_t weight, bool negative) {
  const std::size_t m = weight & 0x7FU;
  return m == 0 && negative ? 128 : m;
}

TEST(ContourThreshold, IsThatOfEveryWeightOfTheClass) {
  std::vector<float> thresholds(kWeightClasses);
  for (std::size_t i = 0; i < kWeightClasses; ++i) thresholds[i] = contour_threshold(i);
  for (std::uint32_t code = 0; code <= 0xFFFF; ++code) {
    const auto weight = static_cast<std::uint16_t>(code);
    if (!Bf16::is_finite(weight) || (weight & 0x7FFFU) < kLeastClassed) continue;
    for (const bool weight_shrinks : {false, true}) {
      const float sign = weight_shrinks ? -1.0F : 1.0F;
      const float threshold = thresholds[class_of(weight, weight_shrinks)];
      ASSERT_TRUE(changes(weight, sign * threshold)) << code;
      ASSERT_FALSE(changes(weight, sign * std::nextafter(threshold, 0.0F))) << code;
    }
  }
}

TEST(ContourThreshold, IsNotThatOfTheLowestExponents) {
  const std::uint16_t lowest = 0x0080;  // half a step below it is a denormal
  EXPECT_FALSE(changes(lowest, -contour_threshold(128)));
}

PointGroup group_of(ScfRole role, const std::vector<float>& parameters) {
  const auto groups = group_points(role, parameters);
  EXPECT_EQ(groups.size(), 1U);
  return groups.front();
}

std::vector<float> ascending(double low, double high, int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(low * std::pow(high / low, i / (count - 1.0))));
  }
  return values;
}

std::size_t first_change(const PointGroup& group, std::uint16_t weight, float d) {
  std::size_t point = 0;
  while (point < group.count && !changes(weight, contour_down(d, group.parameter[point]))) ++point;
  return point;
}

std::uint16_t code_of(const Bf16DownPlan& plan, std::uint16_t magnitude, std::size_t in_class) {
  const int over = magnitude - plan.base;
  const auto above = static_cast<std::uint16_t>(std::min(std::max(over, 0), int{plan.reach}));
  const auto significand = static_cast<std::uint16_t>(128 + in_class);
  switch (plan.kept_bits) {
    case 10:
      return down_code<10>(above, significand);
    case 11:
      return down_code<11>(above, significand);
    case 12:
      return down_code<12>(above, significand);
    default:
      return down_code<13>(above, significand);
  }
}

/// Every significand and sign by every magnitude: what u tells is so.
void expect_down(const std::vector<float>& parameters, int kept_bits) {
  const PointGroup group = group_of(ScfRole::kDown, parameters);
  const auto plan = plan_bf16_down(group, 1.0F);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->kept_bits, kept_bits);
  std::uint64_t asked = 0;
  std::uint64_t changed = 0;
  for (std::size_t in_class = 0; in_class < kWeightClasses; ++in_class) {
    const auto weight = static_cast<std::uint16_t>(0x4000U | (in_class & 0x7FU));
    const bool negative = in_class == 128;
    // All magnitudes of a class would take long; these meet every octave and every significand.
    for (std::uint16_t magnitude = 0; magnitude < 0x7F00; magnitude += 7) {
      const float d = Bf16::widen(magnitude) * (negative != group.negative ? -1.0F : 1.0F);
      const std::size_t right = first_change(group, weight, d);
      const std::uint8_t told = plan->changed[code_of(*plan, magnitude, in_class)];
      changed += right < group.count ? 1U : 0U;
      if (told == kAskElement) {
        ++asked;
      } else {
        ASSERT_EQ(told, right) << magnitude << " " << in_class;
      }
    }
  }
  EXPECT_GT(changed, 0U);
  EXPECT_LT(asked * 20, kWeightClasses * 0x7F00U / 7);
}

TEST(Bf16DownPlan, SaysWhatTheDefinitionSays) {
  expect_down(ascending(0.01, 64, 64), 11);
  expect_down(ascending(0.5, 2, 64), 12);
  expect_down({3}, 13);
  expect_down({-0.5F, -4, -16}, 12);
  expect_down(ascending(1e-6, 60, 40), 10);
}

TEST(Bf16DownPlan, KnowsWhichDeltasMoveAndFlip) {
  const PointGroup group = group_of(ScfRole::kDown, {0x1p-20F, 0.5F, 4});
  const auto plan = plan_bf16_down(group, 0.2F);
  ASSERT_NE(plan, nullptr);
  EXPECT_FALSE(plan->flips);  // 4 · 0.2 < 1
  EXPECT_TRUE(plan_bf16_down(group, 0.26F)->flips);
  EXPECT_NE(contour_down(Bf16::widen(plan->least_moved), 0x1p-20F), 0.0F);
  EXPECT_EQ(contour_down(Bf16::widen(static_cast<std::uint16_t>(plan->least_moved - 1)), 0x1p-20F),
            0.0F);
  for (std::uint16_t code = 0; code < 0x7F80; ++code) {
    const float d = Bf16::widen(code);
    const std::size_t right = d * 0x1p-20F > 1 ? 0U : (d * 0.5F > 1 ? 1U : (d * 4 > 1 ? 2U : 3U));
    ASSERT_EQ(plan->flipped[code], right) << code;
  }
}

TEST(Bf16DownPlan, RefusesWhatItCannotTellApart) {
  EXPECT_EQ(plan_bf16_down(group_of(ScfRole::kDown, {0}), 1), nullptr);
  EXPECT_EQ(plan_bf16_down(group_of(ScfRole::kDown, {1e-9F, 64}), 1), nullptr);
  EXPECT_EQ(plan_bf16_down(group_of(ScfRole::kDown, {3e38F}), 1), nullptr);  // denormal thresholds
  // Even the largest delta changes some weights at 64 and none at all at the other one.
  EXPECT_EQ(plan_bf16_down(group_of(ScfRole::kDown, {1e-42F}), 1), nullptr);
}

TEST(Bf16GatePlan, SaysWhatTheDefinitionSays) {
  const std::vector<float> gammas = {0, 0.0015F, 0x1p-9F, 0.0025F, 0x1p-8F, 0.00391F, 0.3F, 25};
  const PointGroup group = group_of(ScfRole::kGate, gammas);
  const auto plan = plan_bf16_gate(group);
  EXPECT_FALSE(plan->classes_alike);
  for (std::size_t in_class = 0; in_class < kWeightClasses; ++in_class) {
    const auto weight = static_cast<std::uint16_t>(0x4000U | (in_class & 0x7FU));
    const float d = in_class == 128 ? -1.0F : 1.0F;
    std::size_t right = 0;
    while (right < group.count && !changes(weight, contour_gate(d, gammas[right]))) ++right;
    EXPECT_EQ(plan->changed[in_class], right) << in_class;
  }
  for (std::uint16_t code = 0; code < 0x7F80; ++code) {
    std::size_t right = 0;
    while (right < group.count && Bf16::widen(code) > gammas[right]) ++right;
    ASSERT_EQ(plan->within[code], right) << code;
  }
  EXPECT_TRUE(plan_bf16_gate(group_of(ScfRole::kGate, {0, 0.01F, 3}))->classes_alike);
}

}  // namespace
}  // namespace contourfuse
