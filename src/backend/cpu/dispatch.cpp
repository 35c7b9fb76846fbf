// Choosing the kernels' instruction-set level at run time.
#include <array>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/core/instruction_level.hpp"

namespace contourfuse {

namespace kernels_baseline {
Kernels table(const char* level);
}
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
Kernels table(const char* level);
}
namespace kernels_v4 {
Kernels table(const char* level);
}
#endif

namespace {

struct Levels {
  Levels() {
#if defined(CONTOURFUSE_X86_LEVELS)
    const InstructionLevel level = processor_level();
    if (level >= InstructionLevel::kX86V4) add(kernels_v4::table("x86-64-v4"));
    if (level >= InstructionLevel::kX86V3) add(kernels_v3::table("x86-64-v3"));
#endif
    add(kernels_baseline::table("baseline"));
  }
  Levels(const Levels&) = delete;  // best_first points into tables
  Levels& operator=(const Levels&) = delete;

  std::array<Kernels, 3> tables{};
  std::array<const Kernels*, 3> best_first{};
  std::size_t count = 0;

  void add(const Kernels& kernels) {
    tables[count] = kernels;
    best_first[count] = &tables[count];
    ++count;
  }
};

const Levels& levels() noexcept {
  static const Levels found;
  return found;
}

}  // namespace

const Kernels& best_kernels() noexcept { return *levels().best_first[0]; }

const Kernels* const* available_kernels(std::size_t& count) noexcept {
  count = levels().count;
  return levels().best_first.data();
}

}  // namespace contourfuse
