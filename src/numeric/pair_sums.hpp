// Sums over two blocks of elements by the moment scheme. Included by level files alone: like
// vectors.hpp, it is compiled once per level.
#pragma once

#include <cstddef>
#include <cstring>

#include "contourfuse/numeric/moments.hpp"
#include "numeric/blocks.hpp"
#include "numeric/vectors.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

/// Over elements a and b; c = b − a, formed in f64.
struct PairSums {
  double a2 = 0;          ///< Σa²
  double b2 = 0;          ///< Σb²
  double change2 = 0;     ///< Σc²
  double change = 0;      ///< Σc
  double product = 0;     ///< Σa·b
  double max_change = 0;  ///< max |c|; no NaN is larger than anything
};

// Vectors of lanes whose six sums stay in registers, of 16 or 32: those of load_pair().
inline constexpr std::size_t kPairGroup = 2;
/// Of two whole blocks; a shorter one is padded with zeros, which add nothing: no lane is ever −0.
template <class Format>
PairSums pair_sums(const typename Format::Stored* __restrict a,
                   const typename Format::Stored* __restrict b) {
  constexpr std::size_t kGroup = kPairGroup * kDoubles;
  constexpr std::size_t kSums = 5;
  alignas(kCacheLine) double lanes[kSums][kLanes];
  Doubles largest[kPairGroup] = {};
  for (std::size_t group = 0; group < kLanes; group += kGroup) {
    Doubles sum[kSums][kPairGroup] = {};
    for (std::size_t row = 0; row < kRows; ++row) {
      Doubles xs[kPairGroup];
      Doubles ys[kPairGroup];
      load_pair<Format>(a + row * kLanes + group, xs);
      load_pair<Format>(b + row * kLanes + group, ys);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kPairGroup; ++v) {
        const Doubles x = xs[v];
        const Doubles y = ys[v];
        const Doubles c = y - x;
        sum[0][v] = add_exact_product(x, x, sum[0][v]);
        sum[1][v] = add_exact_product(y, y, sum[1][v]);
        sum[2][v] = add_square(c, sum[2][v]);
        sum[3][v] = sum[3][v] + c;
        sum[4][v] = add_exact_product(x, y, sum[4][v]);
        largest[v] = larger_magnitude(c, largest[v]);
      }
    }
    for (std::size_t s = 0; s < kSums; ++s) store_pair<Format>(lanes[s] + group, sum[s]);
  }
  PairSums sums;
  sums.a2 = fold_lanes(lanes[0]);
  sums.b2 = fold_lanes(lanes[1]);
  sums.change2 = fold_lanes(lanes[2]);
  sums.change = fold_lanes(lanes[3]);
  sums.product = fold_lanes(lanes[4]);
  for (const Doubles& vector : largest) {
    for (std::size_t lane = 0; lane < kDoubles; ++lane) {
      sums.max_change = vector[lane] > sums.max_change ? vector[lane] : sums.max_change;
    }
  }
  return sums;
}

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
