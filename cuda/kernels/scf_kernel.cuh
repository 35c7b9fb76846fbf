// Shape-Contoured Fusion of a matrix in place, with the record of every block, a warp to each.
#pragma once

#include <cmath>
#include <cstdint>

#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scaling.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "kernels/arguments.hpp"
#include "kernels/warp_fold.cuh"

namespace contourfuse::device {

inline constexpr std::uint32_t kScfThreads = 128;

/// The random words of a thread's eight elements.
CONTOURFUSE_DEVICE void random_words(const CoveredRange& range, std::uint64_t element,
                                     const RoundingKey& key,
                                     std::uint32_t (&words)[kThreadElements]) {
  if (range.covered_cols == range.cols) {
    CONTOURFUSE_UNROLL(2)
    for (std::uint32_t quad = 0; quad < 2; ++quad) {
      const PhiloxBlock block = rounding_words(key.seed, key.tensor_hash, element / 4 + quad);
      CONTOURFUSE_UNROLL(4)
      for (std::uint32_t k = 0; k < 4; ++k) words[4 * quad + k] = block.word[k];
    }
    return;
  }
  CONTOURFUSE_UNROLL(1)
  for (std::uint32_t k = 0; k < kThreadElements; ++k) {
    const std::uint64_t index = range.index(element + k);
    const PhiloxBlock block = rounding_words(key.seed, key.tensor_hash, index / 4);
    const bool upper = index % 4 >= 2;  // words by selection: an index would need local memory
    const std::uint32_t even = upper ? block.word[2] : block.word[0];
    const std::uint32_t odd = upper ? block.word[3] : block.word[1];
    const std::uint32_t word = index % 2 == 0 ? even : odd;
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t to = 0; to < kThreadElements; ++to) words[to] = to == k ? word : words[to];
  }
}

/// The record of a thread's elements, by lane where their order counts.
struct ThreadRecord {
  double weight2[kThreadElements] = {};
  double out2[kThreadElements] = {};
  double change2[kThreadElements] = {};
  double change[kThreadElements] = {};
  double weight_out[kThreadElements] = {};
  double max_change = 0;
  std::uint32_t moved = 0;
  std::uint32_t changed = 0;
  std::uint32_t lost = 0;
  std::uint32_t clamped = 0;
  std::uint32_t sign_flips = 0;
  std::uint32_t zero_weights = 0;
  BadElements bad{};

  CONTOURFUSE_DEVICE void add_sums(std::uint32_t lane, float weight, float out) {
    const double w = weight;
    const double o = out;
    const double c = o - w;
    weight2[lane] = fma(w, w, weight2[lane]);
    out2[lane] = fma(o, o, out2[lane]);
    change2[lane] = fma(c, c, change2[lane]);
    change[lane] = change[lane] + c;
    weight_out[lane] = fma(w, o, weight_out[lane]);
    const double magnitude = c < 0 ? -c : c;
    if (magnitude > max_change) max_change = magnitude;
  }

  template <ScfRole role>
  CONTOURFUSE_DEVICE void add_counts(float weight, float delta, float contour, float parameter,
                                     bool is_same) {
    const bool is_moved = moves(contour, weight) != 0;
    moved += is_moved ? 1U : 0U;
    changed += is_same ? 0U : 1U;
    lost += is_moved && is_same ? 1U : 0U;
    if constexpr (role == ScfRole::kGate) clamped += is_clamped(delta, parameter) != 0 ? 1U : 0U;
    sign_flips += flips_sign(contour, weight) != 0 ? 1U : 0U;
    zero_weights += weight == 0.0F ? 1U : 0U;
  }

  /// The warp's record; valid in lane 0.
  [[nodiscard]] CONTOURFUSE_DEVICE Record combined() {
    Record record;
    record.counts.moved = combine_warp(moved, Add{});
    record.counts.changed = combine_warp(changed, Add{});
    record.counts.lost = combine_warp(lost, Add{});
    record.counts.clamped = combine_warp(clamped, Add{});
    record.counts.sign_flips = combine_warp(sign_flips, Add{});
    record.counts.zero_weights = combine_warp(zero_weights, Add{});
    record.sums.weight2 = fold_warp_lanes(weight2);
    record.sums.out2 = fold_warp_lanes(out2);
    record.sums.change2 = fold_warp_lanes(change2);
    record.sums.change = fold_warp_lanes(change);
    record.sums.weight_out = fold_warp_lanes(weight_out);
    record.sums.max_change = combine_warp(max_change, Larger{});
    record.bad.count = combine_warp(bad.count, Add{});
    record.bad.first = combine_warp(bad.first, Smaller{});
    record.counts.nonfinite_kept = record.bad.count;
    return record;
  }
};

/// weight[i] = SCF of it, of the elements of `range`; what is not finite keeps its bytes.
/// records[b] = the record of block b of the range. Grid: a warp per block.
template <class Weight, class Delta, ScfRole role, bool stochastic>
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(kScfThreads)
    scf_kernel(typename Weight::Stored* weight, const typename Delta::Stored* delta,
               CoveredRange range, const Scaling* scaling, RoundingKey key, Record* records) {
  const WarpBlock block(range.count);
  if (block.elements == 0) return;
  typename Weight::Stored* const weights = weight + block.first;
  const typename Delta::Stored* const deltas = delta + block.first;
  const bool weights_packed = is_packet_aligned(weights);
  const bool deltas_packed = is_packet_aligned(deltas);
  const float parameter = scaling->parameter;
  const bool keeps_bytes = scaling->state == ScalingState::kZeroDelta;
  ThreadRecord record;
  CONTOURFUSE_UNROLL(1)
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::uint32_t place = block.place(row);
    const std::uint32_t here = block.here(place);
    const std::uint64_t element = range.first + block.first + place;
    typename Weight::Stored stored[kThreadElements];
    typename Delta::Stored steps[kThreadElements];
    load_elements(weights + place, here, weights_packed, stored);
    load_elements(deltas + place, here, deltas_packed, steps);
    std::uint32_t words[kThreadElements] = {};
    if constexpr (stochastic) random_words(range, element, key, words);
    typename Weight::Stored out[kThreadElements];
    bool all_finite = true;
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t k = 0; k < kThreadElements; ++k) {
      const float t = contour<role>(Delta::widen(steps[k]), parameter);
      const float value = apply_contour(t, Weight::widen(stored[k]));
      out[k] = stochastic ? narrow_stochastic<Weight>(value, words[k]) : Weight::narrow(value);
      all_finite = all_finite && Weight::is_finite(stored[k]) && Delta::is_finite(steps[k]) &&
                   Weight::is_finite(out[k]);
      if (keeps_bytes) out[k] = stored[k];
    }
    const auto add = [&](std::uint32_t k) {
      const float w = Weight::widen(stored[k]);
      const float d = Delta::widen(steps[k]);
      record.add_sums(k, w, Weight::widen(out[k]));
      record.add_counts<role>(w, d, contour<role>(d, parameter), parameter, out[k] == stored[k]);
    };
    if (all_finite && here == kThreadElements) {  // nearly always: no branch within
      CONTOURFUSE_UNROLL(8)
      for (std::uint32_t k = 0; k < kThreadElements; ++k) add(k);
    } else {
      CONTOURFUSE_UNROLL(8)
      for (std::uint32_t k = 0; k < kThreadElements; ++k) {
        if (k >= here) continue;
        if (Weight::is_finite(stored[k]) && Delta::is_finite(steps[k]) &&
            Weight::is_finite(out[k])) {
          add(k);
        } else {
          record.bad.add(range.index(element + k));
          out[k] = stored[k];
        }
      }
    }
    store_elements(out, here, weights_packed, weights + place);
  }
  const Record combined = record.combined();
  if (block.lane == 0) records[block.number] = combined;
}

}  // namespace contourfuse::device
