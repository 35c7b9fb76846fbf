// Activations, their derivatives, and the odd function of a mirrored pair.
#include "contourfuse/neuron/activation.hpp"

#include <cmath>
#include <numbers>
#include <string>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/instruction_level.hpp"
#include "neuron/activation_kernels.hpp"

namespace contourfuse {

namespace kernels_baseline {
extern const ActivationKernels kActivationKernels;
}
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
extern const ActivationKernels kActivationKernels;
}
namespace kernels_v4 {
extern const ActivationKernels kActivationKernels;
}
#endif

const ActivationKernels& activation_kernels() noexcept {
#if defined(CONTOURFUSE_X86_LEVELS)
  const InstructionLevel level = processor_level();
  if (level >= InstructionLevel::kX86V4) return kernels_v4::kActivationKernels;
  if (level >= InstructionLevel::kX86V3) return kernels_v3::kActivationKernels;
#endif
  return kernels_baseline::kActivationKernels;
}

namespace {

double logistic(double x) noexcept { return 1.0 / (1.0 + std::exp(-x)); }

double normal_cdf(double x) noexcept { return 0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)); }

double normal_density(double x) noexcept {
  return std::exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

}  // namespace

Activation parse_activation(std::string_view name) {
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") {
    return Activation::kGeluTanh;
  }
  if (name == "gelu") return Activation::kGelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  throw Error(Failure::kBadInput, "unknown-activation",
              "the activation \"" + std::string(name) + "\" is not known", {},
              "known are gelu_pytorch_tanh, gelu and silu");
}

std::string_view to_string(Activation activation) noexcept {
  switch (activation) {
    case Activation::kGeluTanh:
      return "gelu_pytorch_tanh";
    case Activation::kGelu:
      return "gelu";
    case Activation::kSilu:
      break;
  }
  return "silu";
}

double activate(Activation activation, double x) noexcept {
  switch (activation) {
    case Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(gelu_tanh_argument(x)));
    case Activation::kGelu:
      return x * normal_cdf(x);
    case Activation::kSilu:
      break;
  }
  return x * logistic(x);
}

void activate(Activation activation, std::span<double> values) noexcept {
  static const ActivationKernels& kernels = activation_kernels();
  kernels.activate(activation, values.data(), values.size());
}

double activate_derivative(Activation activation, double x) noexcept {
  switch (activation) {
    case Activation::kGeluTanh: {
      const double t = std::tanh(gelu_tanh_argument(x));
      const double argument_slope = kGeluTanhScale * (1.0 + 3.0 * kGeluTanhCubic * x * x);
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * argument_slope;
    }
    case Activation::kGelu:
      return normal_cdf(x) + x * normal_density(x);
    case Activation::kSilu:
      break;
  }
  const double s = logistic(x);
  return s + x * s * (1.0 - s);
}

double mirrored_pair(Activation activation, double gain, double z) noexcept {
  const double u = gain * z;
  return u * (activate(activation, u) + activate(activation, -u));
}

double mirrored_pair_derivative(Activation activation, double gain, double z) noexcept {
  const double u = gain * z;
  const double value = activate(activation, u) + activate(activation, -u);
  const double slope = activate_derivative(activation, u) - activate_derivative(activation, -u);
  return gain * (value + u * slope);
}

}  // namespace contourfuse
