// The block kernels of a sweep: compiled once per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bf16_plan.hpp"
#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "contourfuse/sweep/grid_rules.hpp"
#include "contourfuse/sweep/grid_tally.hpp"

namespace contourfuse {

/// Of bf16 weights and deltas, rounded to nearest. False if an element of the block is beyond the
/// plan; nothing is added then.
struct Bf16GridKernels {
  bool (*down)(const void* weight, const void* delta, std::size_t count, const PointGroup& group,
               const Bf16DownPlan& plan, GroupTally& tally) = nullptr;
  bool (*gate)(const void* weight, const void* delta, std::size_t count, const PointGroup& group,
               const Bf16GatePlan& plan, GroupTally& tally) = nullptr;
};

/// Pointers are to stored elements, suitably aligned; `count` ≤ kBlockElements. Every kernel gives
/// the same bits on every level. Elements that are not finite are counted anyhow.
struct GridKernels {
  using MomentsOf = GridMoments (*)(const void* weight, const void* delta, std::size_t count);
  using Tally = void (*)(const void* weight, const void* delta, std::size_t count,
                         const PointGroup& group, GroupTally& tally);
  const char* level = "";
  /// Weight, delta, role. Of a gate without Σd, Σd² and the products, which tell nothing of it.
  MomentsOf moments[kElementTypes][kElementTypes][2] = {};
  /// Adds a block to a tally: weight, delta, role, stochastic.
  Tally tally[kElementTypes][kElementTypes][2][2] = {};
  Bf16GridKernels bf16{};
};

/// The best level that this processor has.
[[nodiscard]] const GridKernels& best_grid_kernels() noexcept;

/// All levels that this processor has, best first; for tests. `count` receives their number.
[[nodiscard]] const GridKernels* const* available_grid_kernels(std::size_t& count) noexcept;

}  // namespace contourfuse
