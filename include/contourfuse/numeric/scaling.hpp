// Variance normalization: from the moments of a weight and its delta to the scaling of the matrix.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/numeric/moments.hpp"

namespace contourfuse {

/// α_dyn = α·σ(W)/σ(Δ), α/σ(Δ), or α.
enum class AlphaRule : std::uint8_t { kSigmaRatio, kInverseSigma, kPlain };

enum class ScalingState : std::uint8_t {
  kScaled,
  kZeroDelta,    ///< every covered delta is ±0: bytes stay
  kNoSpread,     ///< all covered deltas are equal, and not zero
  kSmallSpread,  ///< α_dyn is beyond f32
};

/// How a matrix is scaled, once its moments are known.
struct Scaling {
  float parameter = 0;  ///< α_dyn or γ
  ScalingState state = ScalingState::kScaled;
  double sigma_weight = 0;  ///< where the rule uses it
  double sigma_delta = 0;
};

CONTOURFUSE_HOST_DEVICE bool is_zero_delta(const BlockMoments& delta, std::uint64_t covered) {
  return delta.finite == covered && delta.smallest == 0 && delta.largest == 0;
}

/// The scaling of a down_proj of `covered` elements under a rule that normalizes; all in f64,
/// rounded once to f32. σ of a matrix without finite elements counts as 0, and such a delta scales
/// by 0: its elements keep their bytes anyway.
CONTOURFUSE_HOST_DEVICE Scaling normalized_scaling(const BlockMoments& weight,
                                                   const BlockMoments& delta, std::uint64_t covered,
                                                   double alpha, AlphaRule rule) {
  Scaling scaling;
  if (is_zero_delta(delta, covered)) {
    scaling.state = ScalingState::kZeroDelta;
    return scaling;
  }
  if (rule == AlphaRule::kSigmaRatio) {
    if (weight.finite != 0) {
      scaling.sigma_weight = standard_deviation(weight.moments, weight.finite);
    }
    alpha = alpha * scaling.sigma_weight;
  }
  if (delta.finite == 0) return scaling;
  scaling.sigma_delta = standard_deviation(delta.moments, delta.finite);
  scaling.parameter = static_cast<float>(alpha / scaling.sigma_delta);
  if (delta.smallest == delta.largest) {
    scaling.state = ScalingState::kNoSpread;
  } else if (!F32::is_finite(bits_of_float(scaling.parameter))) {
    scaling.state = ScalingState::kSmallSpread;
  }
  return scaling;
}

}  // namespace contourfuse
