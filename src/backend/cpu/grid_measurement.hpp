// One matrix at every value of its axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bf16_plan.hpp"
#include "contourfuse/core/execution.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "contourfuse/sweep/grid_rules.hpp"
#include "contourfuse/sweep/grid_tally.hpp"
#include "covered_ranges.hpp"
#include "grid_kernels.hpp"

namespace contourfuse {

/// Counts and sums of one job. Sums are by the moment scheme; those of a gate that depend on γ are
/// made block by block in four chains (element i in chain i mod 4, chains added (0+1)+(2+3)), the
/// blocks of a range in order, and the ranges in order.
class GridMeasurement {
 public:
  GridMeasurement(const GridJob& job, const Execution& execution, const GridKernels& kernels);
  /// Reads a gate_proj once, and a down_proj twice: α_dyn depends on all of it. Once more if the
  /// moments do not vouch for finite results.
  [[nodiscard]] MatrixGrid run();

 private:
  using Tallies = std::vector<GroupTally>;  // as groups_
  struct Bf16Plans {
    std::unique_ptr<Bf16DownPlan> down{};
    std::unique_ptr<Bf16GatePlan> gate{};
  };

  [[nodiscard]] bool delta_is_zero() const noexcept;
  void settle_parameters();
  void check_elements() const;
  void check_elements(float parameter) const;
  void plan_groups();
  void tally_block(const CoveredBlock& block, std::size_t group, GroupTally& tally) const;
  /// Reads the matrix; `progress` bytes an element.
  void pass(bool with_moments, bool with_tallies, std::uint64_t progress);

  const GridJob& job_;
  const Execution& execution_;
  const GridKernels& kernels_;
  GridMoments moments_{};
  std::vector<float> parameters_{};  // as the axis
  std::vector<PointGroup> groups_{};
  std::vector<Bf16Plans> plans_{};  // as groups_; null where there is none
  Tallies tallies_{};
};

}  // namespace contourfuse
