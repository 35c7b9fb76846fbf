// An axis in groups of points, and what is counted of a group.
#include "contourfuse/sweep/grid_tally.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace contourfuse {

std::vector<PointGroup> group_points(ScfRole role, std::span<const float> parameters) {
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto alone = [&](std::size_t i) { return role == ScfRole::kDown && parameters[i] == 0; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const bool a_negative = std::signbit(parameters[a]);
    const bool b_negative = std::signbit(parameters[b]);
    if (a_negative != b_negative) return b_negative;
    return std::fabs(parameters[a]) < std::fabs(parameters[b]);
  });
  std::vector<PointGroup> groups;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const float parameter = parameters[order[i]];
    const bool together = i > 0 && groups.back().count < kGroupPoints &&
                          groups.back().negative == std::signbit(parameter) &&
                          alone(order[i - 1]) == alone(order[i]);
    if (!together) groups.emplace_back().negative = std::signbit(parameter);
    PointGroup& group = groups.back();
    group.parameter[group.count] = parameter;
    group.place[group.count] = order[i];
    ++group.count;
  }
  for (PointGroup& group : groups) {
    std::fill(group.parameter.begin() + static_cast<std::ptrdiff_t>(group.count),
              group.parameter.end(), group.largest());
  }
  return groups;
}

void GroupTally::add(const GroupTally& other, std::size_t points) {
  for (std::size_t i = 0; i <= points; ++i) {
    moved[i] += other.moved[i];
    changed[i] += other.changed[i];
    flipped[i] += other.flipped[i];
    within[i] += other.within[i];
    sums[i] = sums[i] + other.sums[i];
  }
  negative_zeros += other.negative_zeros;
  for (std::size_t i = 0; i < points; ++i) expected[i] += other.expected[i];
}

void GroupTally::accumulate() {
  for (FirstPointCounts* counts : {&moved, &changed, &flipped, &within}) {
    std::inclusive_scan(counts->begin(), counts->end(), counts->begin());
  }
}

namespace {

/// The sums of a gate at each point: t is d within γ, and ±γ beyond.
void write_sums(const PointGroup& group, const GroupTally& tally, std::vector<GridPoint>& points) {
  std::array<GateSums, kFirstPoints> beyond{};  // of the elements that the point clamps
  for (std::size_t i = group.count; i > 0; --i) {
    beyond[i - 1] = tally.sums[i] + (i < group.count ? beyond[i] : GateSums{});
  }
  GateSums within;
  for (std::size_t i = 0; i < group.count; ++i) {
    within = within + tally.sums[i];
    // No d lies beyond an infinite γ; its product with no weight would be a NaN.
    constexpr float kLargest = std::numeric_limits<float>::max();
    const auto gamma = static_cast<double>(std::min(group.parameter[i], kLargest));
    GridPoint& point = points[group.place[i]];
    point.change2 = within.change2 + gamma * gamma * beyond[i].weight2;
    point.change = within.change + gamma * beyond[i].weight;
  }
}

}  // namespace

void write_points(ScfRole role, bool stochastic, const PointGroup& group, const GroupTally& tally,
                  std::vector<GridPoint>& points) {
  for (std::size_t i = 0; i < group.count; ++i) {
    GridPoint& point = points[group.place[i]];
    point.moved = tally.moved[i];
    const double of_moved = stochastic ? tally.expected[i] : static_cast<double>(tally.changed[i]);
    point.changed = of_moved + static_cast<double>(tally.negative_zeros);
    point.lost = static_cast<double>(tally.moved[i]) - of_moved;
    point.sign_flips = tally.flipped[i];
    point.clamped = tally.within[group.count] - tally.within[i];
  }
  if (role == ScfRole::kGate) write_sums(group, tally, points);
}

}  // namespace contourfuse
