// Activations of many numbers at once, per instruction-set level.
#pragma once

#include <cstddef>

#include "contourfuse/neuron/activation.hpp"
#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

inline constexpr double kGeluTanhCubic = 0.044715;
inline constexpr double kGeluTanhScale = 0.79788456080286535588;  ///< √(2/π)

/// What gelu_pytorch_tanh takes the hyperbolic tangent of.
CONTOURFUSE_HOST_DEVICE double gelu_tanh_argument(double x) {
  return kGeluTanhScale * (x + kGeluTanhCubic * x * x * x);
}

struct ActivationKernels {
  /// values[i] = act(values[i]).
  void (*activate)(Activation activation, double* values, std::size_t count);
};

/// The best level of this processor.
[[nodiscard]] const ActivationKernels& activation_kernels() noexcept;

}  // namespace contourfuse
