// What every backend says alike about the grid of a matrix: its parameters, what is refused, and
// the points that its sums and counts make.
#pragma once

#include <span>
#include <vector>

#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "contourfuse/sweep/grid_tally.hpp"

namespace contourfuse {

/// Moments of weights w and deltas d by the moment scheme, and of their products.
struct GridMoments {
  BlockMoments weight{};
  BlockMoments delta{};
  /// Of a down_proj: Σd·w and Σ(d·w)²; of any value where an element is not finite.
  Moments product{};
};
[[nodiscard]] GridMoments operator+(const GridMoments& a, const GridMoments& b);

/// α_dyn or γ of every value of the axis. Throws Error{kBadInput, "no-spread"}.
[[nodiscard]] std::vector<float> grid_parameters(const GridJob& job, const GridMoments& moments);

/// Parameters that elements are to be checked with, in this order, before anything is counted: what
/// is finite with them is finite at every point. None if the moments vouch for all elements.
[[nodiscard]] std::vector<float> parameters_to_check(const GridJob& job, const GridMoments& moments,
                                                     std::span<const float> parameters);

/// Whether a fuse with the parameter would refuse the element.
[[nodiscard]] bool is_refused(const MatrixJob& matrix, float weight, float delta, float parameter);

/// The grid; `tallies` as `groups`, accumulated, and none where the delta is zero.
[[nodiscard]] MatrixGrid make_grid(const GridJob& job, const GridMoments& moments,
                                   std::span<const float> parameters,
                                   std::span<const PointGroup> groups,
                                   std::span<const GroupTally> tallies);

}  // namespace contourfuse
