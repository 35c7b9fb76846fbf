// An axis in groups of points, and what is counted of a group: elements by the first point at which
// something happens to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "contourfuse/sweep/grid.hpp"

namespace contourfuse {

inline constexpr std::size_t kGroupPoints = 64;
/// First points of a group; the one after its last point stands for none.
inline constexpr std::size_t kFirstPoints = kGroupPoints + 1;

/// Parameters (α_dyn or γ) of one sign, ascending in magnitude. For one element, whatever happens
/// at one of them (it moves, it changes, its sign flips) happens at all that follow: |t| does not
/// shrink, and every step from t to the stored bits is monotone.
struct PointGroup {
  std::size_t count = 0;                          ///< at least one
  bool negative = false;                          ///< by the sign bit
  std::array<float, kGroupPoints> parameter{};    ///< the last one again from `count` on
  std::array<std::size_t, kGroupPoints> place{};  ///< on the axis

  [[nodiscard]] float largest() const noexcept { return parameter[count - 1]; }
};

/// Every point in one group. α_dyn = 0 is not grouped with others.
[[nodiscard]] std::vector<PointGroup> group_points(ScfRole role, std::span<const float> parameters);

/// Sums of a gate's elements between two values of γ; s is the sign of d.
struct GateSums {
  double change2 = 0;  ///< Σ(d·w)²
  double change = 0;   ///< Σd·w
  double weight2 = 0;  ///< Σw²
  double weight = 0;   ///< Σs·w
};
CONTOURFUSE_HOST_DEVICE GateSums operator+(const GateSums& a, const GateSums& b) {
  return {a.change2 + b.change2, a.change + b.change, a.weight2 + b.weight2, a.weight + b.weight};
}

using FirstPointCounts = std::array<std::uint64_t, kFirstPoints>;

/// What a group does to some elements: counted by the first point at which it happens, and once
/// accumulated, up to and with each point.
struct GroupTally {
  FirstPointCounts moved{};
  FirstPointCounts changed{};  ///< of w ≠ 0, rounded to nearest
  FirstPointCounts flipped{};
  FirstPointCounts within{};                    ///< gate: |d| ≤ γ
  std::array<GateSums, kFirstPoints> sums{};    ///< gate: as `within`
  std::uint64_t negative_zeros = 0;             ///< w = −0 and t negative: +0 at every point
  std::array<double, kGroupPoints> expected{};  ///< of w ≠ 0, rounded stochastically: Σ(odds that
                                                ///< the stored bits differ)

  void add(const GroupTally& other, std::size_t points);
  /// Makes spectra of the counts.
  void accumulate();
};

/// Writes the group's points, less the sums of a down_proj. `tally` is accumulated.
void write_points(ScfRole role, bool stochastic, const PointGroup& group, const GroupTally& tally,
                  std::vector<GridPoint>& points);

}  // namespace contourfuse
