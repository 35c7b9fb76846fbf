// Moments of every block of a matrix, a warp to each.
#pragma once

#include <cmath>
#include <cstdint>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "kernels/warp_fold.cuh"

namespace contourfuse::device {

inline constexpr std::uint32_t kMomentsThreads = 256;

/// blocks[b] = moments and extremes of the finite ones among elements [8192·b, 8192·(b+1)) of
/// `count`. Grid: a warp per block.
template <class Format>
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(kMomentsThreads)
    moments_kernel(const typename Format::Stored* elements, std::uint64_t count,
                   BlockMoments* blocks) {
  const WarpBlock block(count);
  if (block.elements == 0) return;
  const typename Format::Stored* const from = elements + block.first;
  const bool packed = is_packet_aligned(from);
  double sums[kThreadElements] = {};
  double squares[kThreadElements] = {};
  std::uint32_t finite = 0;
  float smallest = float_of_bits(0x7F800000U);
  float largest = float_of_bits(0xFF800000U);
  CONTOURFUSE_UNROLL(4)
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::uint32_t place = block.place(row);
    const std::uint32_t here = block.here(place);
    typename Format::Stored stored[kThreadElements];
    load_elements(from + place, here, packed, stored);
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t k = 0; k < kThreadElements; ++k) {
      const bool counted = k < here && Format::is_finite(stored[k]);
      // What does not count adds +0, which changes no sum.
      const float value = counted ? Format::widen(stored[k]) : 0.0F;
      const double x = value;
      sums[k] = sums[k] + x;
      squares[k] = fma(x, x, squares[k]);
      finite += counted ? 1U : 0U;
      if (counted && value < smallest) smallest = value;
      if (counted && value > largest) largest = value;
    }
  }
  BlockMoments result;
  result.moments.sum = fold_warp_lanes(sums);
  result.moments.sum_squares = fold_warp_lanes(squares);
  result.finite = combine_warp(finite, Add{});
  result.smallest = combine_warp(smallest, Smaller{});
  result.largest = combine_warp(largest, Larger{});
  if (block.lane == 0) blocks[block.number] = result;
}

}  // namespace contourfuse::device
