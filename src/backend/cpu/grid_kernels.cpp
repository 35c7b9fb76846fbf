// The block kernels of a sweep. Compiled once per instruction-set level into
// CONTOURFUSE_KERNELS_NAMESPACE.
#include "backend/cpu/grid_kernels.hpp"  // as a system header (cmake/InstructionLevels.cmake)

#include <bit>
#include <cmath>

#include "contourfuse/numeric/change_odds.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/record.hpp"
#include "gate_bins.hpp"
#include "numeric/blocks.hpp"
#include "numeric/vectors.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

// Vectors of lanes whose six sums stay in registers.
constexpr std::size_t kPairVectors = kDoubles == 8 ? 4 : 2;

/// Adds a vector of each to the sums of GridMoments: w and w², then d, d², d·w and (d·w)².
template <std::size_t sums>
CONTOURFUSE_HOST_DEVICE void add_pairs(Doubles w, Doubles d, Doubles* sum) {
  sum[0] = sum[0] + w;
  sum[1] = add_exact_product(w, w, sum[1]);
  if constexpr (sums > 2) {
    const Doubles change = d * w;
    sum[2] = sum[2] + d;
    sum[3] = add_exact_product(d, d, sum[3]);
    sum[4] = sum[4] + change;
    sum[5] = add_square(change, sum[5]);
  }
}

template <class Weight, class Delta, ScfRole role>
GridMoments grid_moments(const void* weight_bytes, const void* delta_bytes, std::size_t count) {
  alignas(kCacheLine) typename Weight::Stored padded_weight[kBlockElements];
  alignas(kCacheLine) typename Delta::Stored padded_delta[kBlockElements];
  const auto* weight = static_cast<const typename Weight::Stored*>(weight_bytes);
  const auto* delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  GridMoments result;
  result.weight = make_finite_block<Weight>(weight, count, padded_weight);
  result.delta = make_finite_block<Delta>(delta, count, padded_delta);
  constexpr std::size_t kGroup = kPairVectors * kDoubles;
  constexpr std::size_t kSums = role == ScfRole::kDown ? 6 : 2;
  alignas(kCacheLine) double lanes[kSums][kLanes];
  for (std::size_t group = 0; group < kLanes; group += kGroup) {
    Doubles sum[kPairVectors][kSums] = {};
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kPairVectors; ++v) {
        const std::size_t at = row * kLanes + group + v * kDoubles;
        const Doubles w = load_doubles<Weight>(weight + at);
        add_pairs<kSums>(w, kSums > 2 ? load_doubles<Delta>(delta + at) : w, sum[v]);
      }
    }
    for (std::size_t v = 0; v < kPairVectors; ++v) {
      for (std::size_t i = 0; i < kSums; ++i) {
        std::memcpy(lanes[i] + group + v * kDoubles, &sum[v][i], sizeof sum[v][i]);
      }
    }
  }
  result.weight.moments = {fold_lanes(lanes[0]), fold_lanes(lanes[1])};
  if constexpr (role == ScfRole::kDown) {
    result.delta.moments = {fold_lanes(lanes[2]), fold_lanes(lanes[3])};
    result.product = {fold_lanes(lanes[4]), fold_lanes(lanes[5])};
  }
  return result;
}

// Elements taken together: what is known of them stays in the innermost cache.
constexpr std::size_t kSlice = 512;

/// A slice of a block, widened.
template <class Weight, class Delta>
struct Slice {
  std::size_t count = 0;
  alignas(kCacheLine) typename Weight::Stored stored[kSlice];
  alignas(kCacheLine) float weight[kSlice];
  alignas(kCacheLine) float delta[kSlice];

  void load(const typename Weight::Stored* __restrict w, const typename Delta::Stored* __restrict d,
            std::size_t elements) {
    count = elements;
    for (std::size_t i = 0; i < elements; ++i) stored[i] = w[i];
    for (std::size_t i = 0; i < elements; ++i) weight[i] = Weight::widen(w[i]);
    for (std::size_t i = 0; i < elements; ++i) delta[i] = Delta::widen(d[i]);
  }
};

/// First points of a slice's elements; group.count for none.
using FirstPoints = std::uint32_t[kSlice];

/// Bisects for the first parameter with which `acts` is true of each element.
template <class Acts>
CONTOURFUSE_HOST_DEVICE void find_first(const PointGroup& group, std::size_t elements, Acts acts,
                                        std::uint32_t* __restrict first) {
  const float* __restrict parameter = group.parameter.data();
  const auto points = static_cast<std::uint32_t>(group.count);
  for (std::size_t i = 0; i < elements; ++i) first[i] = 0;
  for (std::uint32_t step = std::bit_ceil(points) / 2; step > 0; step /= 2) {
    for (std::size_t i = 0; i < elements; ++i) {
      const bool acts_there = acts(i, parameter[first[i] + step - 1]);
      first[i] += acts_there ? 0 : step;
    }
  }
  for (std::size_t i = 0; i < elements; ++i) {
    const std::uint32_t place = first[i] + (acts(i, parameter[first[i]]) ? 0U : 1U);
    first[i] = place < points ? place : points;
  }
}

/// Adds elements to a histogram by first point, less those whose weight is zero.
CONTOURFUSE_HOST_DEVICE void add_first(const std::uint32_t* first, const float* weight,
                                       std::size_t elements, std::size_t points,
                                       FirstPointCounts& counts) {
  for (std::size_t i = 0; i < elements; ++i) ++counts[weight[i] == 0.0F ? points : first[i]];
}

template <class Weight, class Delta>
void tally_zeros(const Slice<Weight, Delta>& slice, const PointGroup& group, GroupTally& tally) {
  std::uint32_t zeros = 0;
  for (std::size_t i = 0; i < slice.count; ++i) {
    // t has the sign of d, or under a negative α_dyn the other one.
    const std::uint32_t negative_contour =
        (bits_of_float(slice.delta[i]) >> 31) ^ static_cast<std::uint32_t>(group.negative ? 1 : 0);
    zeros += bits_of_float(slice.weight[i]) == 0x80000000U ? negative_contour : 0U;
  }
  tally.negative_zeros += zeros;
}

template <ScfRole role, class Weight, class Delta>
void tally_changed(const Slice<Weight, Delta>& slice, const PointGroup& group, GroupTally& tally) {
  alignas(kCacheLine) FirstPoints first;
  const auto changes = [&slice](std::size_t i, float parameter) __attribute__((always_inline)) {
    const float t = contour<role>(slice.delta[i], parameter);
    return Weight::narrow(apply_contour(t, slice.weight[i])) != slice.stored[i];
  };
  find_first(group, slice.count, changes, first);
  add_first(first, slice.weight, slice.count, group.count, tally.changed);
}

template <ScfRole role, class Weight, class Delta>
void tally_expected(const Slice<Weight, Delta>& slice, const PointGroup& group, GroupTally& tally) {
  for (std::size_t point = 0; point < group.count; ++point) {
    const float parameter = group.parameter[point];
    std::uint64_t odds = 0;
    for (std::size_t i = 0; i < slice.count; ++i) {
      const float t = contour<role>(slice.delta[i], parameter);
      const std::uint64_t of_one =
          change_odds<Weight>(apply_contour(t, slice.weight[i]), slice.stored[i]);
      odds += slice.weight[i] == 0.0F ? 0 : of_one;
    }
    // Exact, as is the sum of a range: at most 2^20 elements in units of 2^-32.
    tally.expected[point] += static_cast<double>(odds) * 0x1p-32;
  }
}

/// Counts of a down_proj besides `changed`.
template <class Weight, class Delta>
void tally_down(const Slice<Weight, Delta>& slice, const PointGroup& group, GroupTally& tally) {
  alignas(kCacheLine) FirstPoints first;
  const auto moved = [&slice](std::size_t i, float parameter) __attribute__((always_inline)) {
    return contour_down(slice.delta[i], parameter) != 0.0F;
  };
  find_first(group, slice.count, moved, first);
  add_first(first, slice.weight, slice.count, group.count, tally.moved);
  const auto flips = [&slice](std::size_t i, float parameter) __attribute__((always_inline)) {
    return contour_down(slice.delta[i], parameter) < -1.0F;
  };
  find_first(group, slice.count, flips, first);
  add_first(first, slice.weight, slice.count, group.count, tally.flipped);
}

/// Counts of a gate_proj besides `changed`, and its sums.
template <class Weight, class Delta>
void tally_gate(const Slice<Weight, Delta>& slice, const PointGroup& group, GroupTally& tally,
                GateBins& bins) {
  std::uint32_t moved = 0;
  std::uint32_t flipped = 0;
  for (std::size_t i = 0; i < slice.count; ++i) {
    moved += moves(slice.delta[i], slice.weight[i]) ? 1U : 0U;
    flipped += flips_sign(slice.delta[i], slice.weight[i]) ? 1U : 0U;
  }
  tally.moved[first_above(group, 0.0F)] += moved;
  tally.flipped[first_above(group, 1.0F)] += flipped;
  alignas(kCacheLine) FirstPoints first;
  const auto within = [&slice](std::size_t i, float gamma) __attribute__((always_inline)) {
    return !is_clamped(slice.delta[i], gamma);
  };
  find_first(group, slice.count, within, first);
  alignas(kCacheLine) std::uint8_t narrow_first[kSlice];
  for (std::size_t i = 0; i < slice.count; ++i) {
    narrow_first[i] = static_cast<std::uint8_t>(first[i]);
  }
  constexpr bool kExactSquares = !std::is_same_v<Weight, F32> && !std::is_same_v<Delta, F32>;
  bins.template add<kExactSquares>(slice.weight, slice.delta, narrow_first, slice.count);
}

template <class Weight, class Delta, ScfRole role, bool stochastic>
void tally(const void* weight_bytes, const void* delta_bytes, std::size_t count,
           const PointGroup& group, GroupTally& tally) {
  const auto* weight = static_cast<const typename Weight::Stored*>(weight_bytes);
  const auto* delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  GateBins bins(role == ScfRole::kGate ? group.count : 0);
  for (std::size_t done = 0; done < count; done += kSlice) {
    Slice<Weight, Delta> slice;
    slice.load(weight + done, delta + done, count - done < kSlice ? count - done : kSlice);
    tally_zeros(slice, group, tally);
    // α_dyn = 0, which has a group of its own, does nothing else.
    if (role == ScfRole::kDown && group.parameter[0] == 0.0F) continue;
    if constexpr (stochastic) {
      tally_expected<role>(slice, group, tally);
    } else {
      tally_changed<role>(slice, group, tally);
    }
    if constexpr (role == ScfRole::kDown) {
      tally_down(slice, group, tally);
    } else {
      tally_gate(slice, group, tally, bins);
    }
  }
  if constexpr (role == ScfRole::kGate) bins.add_to(tally);
}

template <class Weight, class Delta>
void add_pair(GridKernels& kernels, Element weight, Element delta) {
  const auto w = static_cast<std::size_t>(weight);
  const auto d = static_cast<std::size_t>(delta);
  constexpr auto kDown = static_cast<std::size_t>(ScfRole::kDown);
  constexpr auto kGate = static_cast<std::size_t>(ScfRole::kGate);
  kernels.moments[w][d][kDown] = grid_moments<Weight, Delta, ScfRole::kDown>;
  kernels.moments[w][d][kGate] = grid_moments<Weight, Delta, ScfRole::kGate>;
  kernels.tally[w][d][kDown][0] = tally<Weight, Delta, ScfRole::kDown, false>;
  kernels.tally[w][d][kDown][1] = tally<Weight, Delta, ScfRole::kDown, true>;
  kernels.tally[w][d][kGate][0] = tally<Weight, Delta, ScfRole::kGate, false>;
  kernels.tally[w][d][kGate][1] = tally<Weight, Delta, ScfRole::kGate, true>;
}

template <class Weight>
void add_weight(GridKernels& kernels, Element weight) {
  add_pair<Weight, Bf16>(kernels, weight, Element::kBf16);
  add_pair<Weight, F16>(kernels, weight, Element::kF16);
  add_pair<Weight, F32>(kernels, weight, Element::kF32);
}

}  // namespace

Bf16GridKernels bf16_grid_table();

// The level's table; no dynamic initialiser, which would run on processors without the level.
GridKernels grid_table(const char* level);
GridKernels grid_table(const char* level) {
  GridKernels kernels;
  kernels.level = level;
  kernels.bf16 = bf16_grid_table();
  add_weight<Bf16>(kernels, Element::kBf16);
  add_weight<F16>(kernels, Element::kF16);
  add_weight<F32>(kernels, Element::kF32);
  return kernels;
}

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
