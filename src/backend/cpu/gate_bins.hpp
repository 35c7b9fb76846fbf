// The sums of a gate's block between two values of γ. Included by level files alone: like
// vectors.hpp, it is compiled once per level.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/sweep/grid_tally.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

using FourDoubles = double __attribute__((vector_size(32)));
using FourFloats = float __attribute__((vector_size(16)));
using FourLongWords = std::uint64_t __attribute__((vector_size(32)));

/// The first point of a gate with a γ above `bound`.
inline std::size_t first_above(const PointGroup& group, float bound) {
  std::size_t point = 0;
  while (point < group.count && !(group.parameter[point] > bound)) ++point;
  return point;
}

/// One block's sums by the first γ that is at least |d|. Element i adds to copy i mod 4, so that no
/// addition waits for the one before it; the copies are added as (0 + 1) + (2 + 3).
class GateBins {
 public:
  explicit GateBins(std::size_t points) : points_(points) {
    for (auto& copy : bins_) std::memset(copy, 0, (points + 1) * sizeof *copy);
  }

  /// Adds a slice that starts at a multiple of 4 in the block. `exact_squares`: (d·w)² of two
  /// widened elements is exact in f64.
  template <bool exact_squares>
  CONTOURFUSE_HOST_DEVICE void add(const float* weight, const float* delta,
                                   const std::uint8_t* first, std::size_t count) {
    std::size_t i = 0;
    for (; i + kCopies <= count; i += kCopies) {
      add_four<exact_squares>(weight + i, delta + i, first + i, kCopies);
    }
    if (i < count) {
      float last_weight[kCopies] = {};
      float last_delta[kCopies] = {};
      std::memcpy(last_weight, weight + i, (count - i) * sizeof *weight);
      std::memcpy(last_delta, delta + i, (count - i) * sizeof *delta);
      add_four<exact_squares>(last_weight, last_delta, first + i, count - i);
    }
  }

  void add_to(GroupTally& tally) const {
    for (std::size_t i = 0; i <= points_; ++i) {
      GateSums copy[kCopies];
      for (std::size_t c = 0; c < kCopies; ++c) {
        const Bin& bin = bins_[c][i];
        copy[c] = {bin.sums[0], bin.sums[1], bin.sums[2], bin.sums[3]};
        tally.within[i] += bin.count;
      }
      tally.sums[i] = tally.sums[i] + ((copy[0] + copy[1]) + (copy[2] + copy[3]));
    }
  }

 private:
  static constexpr std::size_t kCopies = 4;
  struct alignas(64) Bin {
    FourDoubles sums;  // as GateSums
    std::uint64_t count;
  };

  template <bool exact_squares>
  CONTOURFUSE_HOST_DEVICE void add_four(const float* weight, const float* delta,
                                        const std::uint8_t* first, std::size_t count) {
    FourFloats narrow_w;
    FourFloats narrow_d;
    std::memcpy(&narrow_w, weight, sizeof narrow_w);
    std::memcpy(&narrow_d, delta, sizeof narrow_d);
    const FourDoubles w = __builtin_convertvector(narrow_w, FourDoubles);
    const FourDoubles d = __builtin_convertvector(narrow_d, FourDoubles);
    constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
    FourLongWords w_bits;
    FourLongWords d_bits;
    std::memcpy(&w_bits, &w, sizeof w_bits);
    std::memcpy(&d_bits, &d, sizeof d_bits);
    w_bits ^= d_bits & kSign;
    FourDoubles signed_weight;
    std::memcpy(&signed_weight, &w_bits, sizeof signed_weight);
    const FourDoubles change = d * w;
    const FourDoubles weight2 = w * w;
    const FourDoubles change2 = exact_squares ? change * change : change;
    // Four elements' four terms, turned.
    const FourDoubles low01 = __builtin_shufflevector(change2, change, 0, 4, 2, 6);
    const FourDoubles high01 = __builtin_shufflevector(change2, change, 1, 5, 3, 7);
    const FourDoubles low23 = __builtin_shufflevector(weight2, signed_weight, 0, 4, 2, 6);
    const FourDoubles high23 = __builtin_shufflevector(weight2, signed_weight, 1, 5, 3, 7);
    const FourDoubles terms[kCopies] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                                        __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                                        __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                                        __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
#pragma GCC unroll 4
    for (std::size_t c = 0; c < kCopies; ++c) {
      if (c >= count) break;
      Bin& bin = bins_[c][first[c]];
      if constexpr (exact_squares) {
        bin.sums += terms[c];
      } else {
        const double square = std::fma(change[c], change[c], bin.sums[0]);
        bin.sums += terms[c];
        bin.sums[0] = square;
      }
      ++bin.count;
    }
  }

  std::size_t points_;
  Bin bins_[kCopies][kFirstPoints];
};

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
