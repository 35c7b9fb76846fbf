// The moment scheme: sums whose bits depend on the elements and their order alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// Elements of a block; its element i belongs to lane i mod kLanes.
inline constexpr std::size_t kBlockElements = 8192;
inline constexpr std::size_t kLanes = 256;

/// Folds 256 lane sums by halves: lane[l] += lane[l + h] for h = 128, 64, … 1. Destroys `lanes`.
CONTOURFUSE_HOST_DEVICE double fold_lanes(double* lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] = lanes[lane] + lanes[lane + half];
  }
  return lanes[0];
}

/// Folds values pairwise, neighbours (0,1), (2,3), …, an odd last one carried up unchanged, until
/// one is left. Destroys `values`; 0 for none. Folding aligned runs of 2^k values first and then
/// their results gives the same bits: each run is a subtree.
template <class Value>
CONTOURFUSE_HOST_DEVICE Value fold_pairwise(Value* values, std::size_t count) {
  if (count == 0) return Value{};
  while (count > 1) {
    const std::size_t pairs = count / 2;
    for (std::size_t i = 0; i < pairs; ++i) values[i] = values[2 * i] + values[2 * i + 1];
    if (count % 2 != 0) values[pairs] = values[count - 1];
    count = pairs + count % 2;
  }
  return values[0];
}

/// Σx and Σx² of a set of elements.
struct Moments {
  double sum = 0;
  double sum_squares = 0;
};
CONTOURFUSE_HOST_DEVICE Moments operator+(Moments a, Moments b) {
  return {a.sum + b.sum, a.sum_squares + b.sum_squares};
}

/// Moments of elements and the extremes of those that are finite.
struct BlockMoments {
  Moments moments{};
  std::uint64_t finite = 0;
  float smallest = 0;  ///< meaningful where finite > 0
  float largest = 0;
};
CONTOURFUSE_HOST_DEVICE BlockMoments operator+(const BlockMoments& a, const BlockMoments& b) {
  const Moments moments = a.moments + b.moments;
  if (a.finite == 0) return {moments, b.finite, b.smallest, b.largest};
  if (b.finite == 0) return {moments, a.finite, a.smallest, a.largest};
  return {moments, a.finite + b.finite, b.smallest < a.smallest ? b.smallest : a.smallest,
          b.largest > a.largest ? b.largest : a.largest};
}

/// Population standard deviation of `count` elements.
CONTOURFUSE_HOST_DEVICE double standard_deviation(Moments moments, std::uint64_t count) {
  const auto n = static_cast<double>(count);
  const double mean = moments.sum / n;
  const double variance = moments.sum_squares / n - mean * mean;
  return sqrt(variance > 0 ? variance : 0.0);
}

}  // namespace contourfuse
