// Which instruction-set level the generator runs on.
#include <bit>
#include <vector>

#include "neuron/generator_kernels.hpp"

// Mirrored pairs are written as one word, the first neuron in its low half.
static_assert(std::endian::native == std::endian::little);

namespace contourfuse {

namespace kernels_baseline {
extern const GeneratorKernels kKernels;
}
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
extern const GeneratorKernels kKernels;
}
namespace kernels_v4 {
extern const GeneratorKernels kKernels;
}
#endif

namespace {

std::vector<const GeneratorKernels*> find_levels() {
  std::vector<const GeneratorKernels*> levels{&kernels_baseline::kKernels};
#if defined(CONTOURFUSE_X86_LEVELS)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (v3) levels.push_back(&kernels_v3::kKernels);
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    levels.push_back(&kernels_v4::kKernels);
  }
#endif
  return levels;
}

}  // namespace

std::span<const GeneratorKernels* const> all_generator_kernels() noexcept {
  static const std::vector<const GeneratorKernels*> levels = find_levels();
  return levels;
}

const GeneratorKernels& generator_kernels() noexcept { return *all_generator_kernels().back(); }

}  // namespace contourfuse
