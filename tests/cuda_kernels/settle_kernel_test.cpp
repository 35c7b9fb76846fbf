// The scaling of a matrix, settled on the device, in every state.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "contourfuse/numeric/scaling.hpp"
#include "cuda_kernels/cpu_kernels.hpp"
#include "cuda_kernels/kernel_run.hpp"

namespace contourfuse::test {
namespace {

constexpr std::uint64_t kCovered = 1000;

/// Of `finite` values with that mean and population variance.
BlockMoments moments(double mean, double variance, float smallest, float largest,
                     std::uint64_t finite = kCovered) {
  const auto n = static_cast<double>(finite);
  return {{mean * n, (variance + mean * mean) * n}, finite, smallest, largest};
}

const BlockMoments kWeight = moments(0.25, 4, -3, 5);   // σ = 2
const BlockMoments kDelta = moments(0, 0.0625, -1, 1);  // σ = ¼
const BlockMoments kZero = moments(0, 0, 0, 0);
const BlockMoments kConstant = moments(0.5, 0, 0.5F, 0.5F);
const BlockMoments kTiny = moments(0, 1e-90, -1e-30F, 1e-30F);
const BlockMoments kNone = moments(0, 0, HUGE_VALF, -HUGE_VALF, 0);

struct SettleCase {
  std::string name;
  AlphaRule rule;
  BlockMoments weight;
  BlockMoments delta;
  ScalingState state;
  float parameter;
};

const SettleCase kCases[] = {
    {"ratio", AlphaRule::kSigmaRatio, kWeight, kDelta, ScalingState::kScaled, 12},
    {"inverse", AlphaRule::kInverseSigma, kWeight, kDelta, ScalingState::kScaled, 6},
    {"plain", AlphaRule::kPlain, kNone, kDelta, ScalingState::kScaled, 0.75F},
    {"ratio of zeros", AlphaRule::kSigmaRatio, kWeight, kZero, ScalingState::kZeroDelta, 0},
    {"inverse of zeros", AlphaRule::kInverseSigma, kWeight, kZero, ScalingState::kZeroDelta, 0},
    {"plain zeros", AlphaRule::kPlain, kNone, kZero, ScalingState::kZeroDelta, 0},
    {"zeros but for one", AlphaRule::kPlain, kNone, moments(0, 0, 0, 0, kCovered - 1),
     ScalingState::kScaled, 0.75F},
    {"no spread", AlphaRule::kSigmaRatio, kWeight, kConstant, ScalingState::kNoSpread, HUGE_VALF},
    {"plain needs no spread", AlphaRule::kPlain, kNone, kConstant, ScalingState::kScaled, 0.75F},
    {"small spread", AlphaRule::kInverseSigma, kWeight, kTiny, ScalingState::kSmallSpread,
     HUGE_VALF},
    {"no finite weight", AlphaRule::kSigmaRatio, kNone, kDelta, ScalingState::kScaled, 0},
    {"no finite delta", AlphaRule::kSigmaRatio, kWeight, kNone, ScalingState::kScaled, 0},
};

TEST(SettleKernel, EveryState) {
  for (const SettleCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const device::ScalingRule how{
        .alpha = 1.5, .plain = 0.75F, .rule = c.rule, .covered = kCovered};
    Scaling got{
        .parameter = 99, .state = ScalingState::kNoSpread, .sigma_weight = 9, .sigma_delta = 9};
    const bool plain = c.rule == AlphaRule::kPlain;
    run_kernel(device::SettleCall{
        .weight = plain ? nullptr : &c.weight, .delta = &c.delta, .how = how, .scaling = &got});
    EXPECT_EQ(got.state, c.state);
    EXPECT_EQ(got.parameter, c.parameter);
    if (plain) {
      EXPECT_EQ(got.sigma_weight, 0);
      EXPECT_EQ(got.sigma_delta, 0);
      continue;
    }
    const Scaling expected = normalized_scaling(c.weight, c.delta, kCovered, how.alpha, c.rule);
    EXPECT_EQ(bits_of_float(got.parameter), bits_of_float(expected.parameter));
    EXPECT_EQ(got.state, expected.state);
    EXPECT_TRUE(same_bits(got.sigma_weight, expected.sigma_weight));
    EXPECT_TRUE(same_bits(got.sigma_delta, expected.sigma_delta));
  }
}

}  // namespace
}  // namespace contourfuse::test
