// Choosing the kernels' instruction-set level at run time.
#include <array>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/core/instruction_level.hpp"
#include "grid_kernels.hpp"

namespace contourfuse {

namespace kernels_baseline {
Kernels table(const char* level);
GridKernels grid_table(const char* level);
Bf16GridKernels bf16_grid_table();
}  // namespace kernels_baseline
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
Kernels table(const char* level);
GridKernels grid_table(const char* level);
Bf16GridKernels bf16_grid_table();
}  // namespace kernels_v3
namespace kernels_v4 {
Kernels table(const char* level);
GridKernels grid_table(const char* level);
Bf16GridKernels bf16_grid_table();
}  // namespace kernels_v4
#endif

namespace {

/// The tables of the processor's levels.
template <class Table>
struct Levels {
  Levels() = default;
  Levels(const Levels&) = delete;  // best_first points into tables
  Levels& operator=(const Levels&) = delete;

  std::array<Table, 3> tables{};
  std::array<const Table*, 3> best_first{};
  std::size_t count = 0;

  void add(const Table& table) {
    tables[count] = table;
    best_first[count] = &tables[count];
    ++count;
  }
};

struct KernelLevels : Levels<Kernels> {
  KernelLevels() {
#if defined(CONTOURFUSE_X86_LEVELS)
    const InstructionLevel level = processor_level();
    if (level >= InstructionLevel::kX86V4) add(kernels_v4::table("x86-64-v4"));
    if (level >= InstructionLevel::kX86V3) add(kernels_v3::table("x86-64-v3"));
#endif
    add(kernels_baseline::table("baseline"));
  }
};

struct GridLevels : Levels<GridKernels> {
  GridLevels() {
#if defined(CONTOURFUSE_X86_LEVELS)
    const InstructionLevel level = processor_level();
    if (level >= InstructionLevel::kX86V4) add(kernels_v4::grid_table("x86-64-v4"));
    if (level >= InstructionLevel::kX86V3) add(kernels_v3::grid_table("x86-64-v3"));
#endif
    add(kernels_baseline::grid_table("baseline"));
  }
};

const KernelLevels& levels() noexcept {
  static const KernelLevels found;
  return found;
}

const GridLevels& grid_levels() noexcept {
  static const GridLevels found;
  return found;
}

}  // namespace

const Kernels& best_kernels() noexcept { return *levels().best_first[0]; }

const Kernels* const* available_kernels(std::size_t& count) noexcept {
  count = levels().count;
  return levels().best_first.data();
}

const GridKernels& best_grid_kernels() noexcept { return *grid_levels().best_first[0]; }

const GridKernels* const* available_grid_kernels(std::size_t& count) noexcept {
  count = grid_levels().count;
  return grid_levels().best_first.data();
}

}  // namespace contourfuse
