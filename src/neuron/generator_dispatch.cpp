// Which instruction-set level the generator runs on.
#include <bit>
#include <vector>

#include "contourfuse/core/instruction_level.hpp"
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
  const InstructionLevel level = processor_level();
  if (level >= InstructionLevel::kX86V3) levels.push_back(&kernels_v3::kKernels);
  if (level >= InstructionLevel::kX86V4) levels.push_back(&kernels_v4::kKernels);
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
