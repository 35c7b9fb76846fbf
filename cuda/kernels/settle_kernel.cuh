// The scaling of a matrix from its folded moments, on the device: nothing waits for the host.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/scaling.hpp"
#include "kernels/arguments.hpp"
#include "kernels/device.cuh"

namespace contourfuse::device {

/// One thread. `weight` is read only under a rule that normalizes.
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(1)
    settle_kernel(const BlockMoments* weight, const BlockMoments* delta, ScalingRule how,
                  Scaling* scaling) {
  if (how.rule != AlphaRule::kPlain) {
    *scaling = normalized_scaling(*weight, *delta, how.covered, how.alpha, how.rule);
    return;
  }
  Scaling plain;
  if (is_zero_delta(*delta, how.covered)) {
    plain.state = ScalingState::kZeroDelta;
  } else {
    plain.parameter = how.plain;
  }
  *scaling = plain;
}

}  // namespace contourfuse::device
