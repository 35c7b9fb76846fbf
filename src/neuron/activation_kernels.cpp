// Activations in loops that the compiler vectorises; compiled once per instruction-set level.
#include "neuron/activation_kernels.hpp"

#include <cmath>
#include <numbers>

// glibc has vectors of these; it offers them itself only where all of -ffast-math is wanted.
#if defined(__x86_64__) && defined(__GLIBC_PREREQ) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
extern "C" {
__attribute__((simd("notinbranch"))) double exp(double x) noexcept;
__attribute__((simd("notinbranch"))) double erf(double x) noexcept;
}
#endif
#endif

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

void activate_all(Activation activation, double* values, std::size_t count) {
  switch (activation) {
    case Activation::kGeluTanh:
      // ½(1 + tanh a) = 1 / (1 + e^−2a)
      for (std::size_t i = 0; i < count; ++i) {
        const double x = values[i];
        values[i] = x / (1.0 + std::exp(-2.0 * gelu_tanh_argument(x)));
      }
      return;
    case Activation::kGelu:
      for (std::size_t i = 0; i < count; ++i) {
        const double x = values[i];
        values[i] = x * (0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)));
      }
      return;
    case Activation::kSilu:
      break;
  }
  for (std::size_t i = 0; i < count; ++i) values[i] = values[i] / (1.0 + std::exp(-values[i]));
}

}  // namespace

extern const ActivationKernels kActivationKernels;
const ActivationKernels kActivationKernels{activate_all};

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
