// Shape-Contoured Fusion of one element.
#pragma once

#include <cmath>
#include <cstdint>

#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

enum class ScfRole : std::uint8_t { kDown, kGate };

/// t of down_proj: α_dyn·d, one f32 multiply. `Real` is float, or a vector of floats.
template <class Real>
CONTOURFUSE_HOST_DEVICE Real contour_down(Real delta, Real alpha_dynamic) {
  return alpha_dynamic * delta;
}

/// t of gate_proj: d clamped to [−γ, γ]. Two ternaries: fminf and fmaxf treat NaN otherwise and
/// stay scalar on a CPU.
template <class Real>
CONTOURFUSE_HOST_DEVICE Real contour_gate(Real delta, Real gamma) {
  return delta < -gamma ? -gamma : (delta > gamma ? gamma : delta);
}

/// t of either; `parameter` is α_dyn or γ.
template <ScfRole role, class Real>
CONTOURFUSE_HOST_DEVICE Real contour(Real delta, Real parameter) {
  if constexpr (role == ScfRole::kDown) {
    return contour_down(delta, parameter);
  } else {
    return contour_gate(delta, parameter);
  }
}

/// w·(1 + t) with one rounding: w + t·w as a fused multiply-add, before the cast to the stored
/// type.
CONTOURFUSE_HOST_DEVICE float apply_contour(float contour, float weight) {
  return fmaf(contour, weight, weight);
}

}  // namespace contourfuse
