// The block kernels. Compiled once per instruction-set level into CONTOURFUSE_KERNELS_NAMESPACE.
// Plain loops over the formulas of `numeric` where the compiler vectorises them well, and vectors
// of the level's width with the same bits where it does not.
#include "contourfuse/backend/cpu/kernels.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "bf16_edit.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "halves.hpp"
#include "numeric/blocks.hpp"
#include "numeric/pair_sums.hpp"
#include "numeric/vectors.hpp"
#include "random_words.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

// Pairs of vectors of lanes whose sums stay in registers.
constexpr std::size_t kMomentPairs = 2;

CONTOURFUSE_HOST_DEVICE std::uint32_t word_at(const std::byte* words, std::size_t i) {
  std::uint32_t word = 0;
  std::memcpy(&word, words + 4 * i, sizeof word);
  return word;
}

/// Whether all are finite, by the largest magnitude: cheaper than to ask each.
template <class Format>
CONTOURFUSE_HOST_DEVICE bool all_finite(const typename Format::Stored* __restrict elements,
                                        std::size_t count) {
  using Stored = typename Format::Stored;
  using Signed = std::make_signed_t<Stored>;
  Signed largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto magnitude = static_cast<Signed>(elements[i] & std::numeric_limits<Signed>::max());
    largest = magnitude > largest ? magnitude : largest;
  }
  return Format::is_finite(static_cast<Stored>(largest));
}

template <class Weight, class Delta, ScfRole role, bool stochastic>
bool transform_each(const void* weight_bytes, const void* delta_bytes, void* out_bytes,
                    std::size_t count, std::uint64_t first_index, const TransformNumbers& numbers) {
  const auto* __restrict weight = static_cast<const typename Weight::Stored*>(weight_bytes);
  const auto* __restrict delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  auto* __restrict out = static_cast<typename Weight::Stored*>(out_bytes);
  const float parameter = numbers.parameter;
  if constexpr (stochastic && !std::is_same_v<Weight, F32>) {
    RandomWords random;
    random.fill(first_index, count, numbers);
    const auto* __restrict words =
        static_cast<const std::byte*>(static_cast<const void*>(random.pairs)) + 4 * random.offset;
    for (std::size_t i = 0; i < count; ++i) {
      const float value =
          apply_contour(contour<role>(Delta::widen(delta[i]), parameter), Weight::widen(weight[i]));
      out[i] = narrow_stochastic<Weight>(value, word_at(words, i));
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const float value =
          apply_contour(contour<role>(Delta::widen(delta[i]), parameter), Weight::widen(weight[i]));
      out[i] = Weight::narrow(value);
    }
  }
  return !(all_finite<Weight>(weight, count) && all_finite<Delta>(delta, count) &&
           all_finite<Weight>(out, count));
}

template <class Weight, class Delta, ScfRole role, bool stochastic>
bool transform(const void* weight_bytes, const void* delta_bytes, void* out_bytes,
               std::size_t count, std::uint64_t first_index, const TransformNumbers& numbers) {
  std::size_t done = 0;
  if constexpr (kEditsPairs && std::is_same_v<Weight, Bf16> && std::is_same_v<Delta, Bf16>) {
    done = stochastic && first_index % 4 != 0 ? 0 : count - count % kHalves;
    if (!edit_pairs<role, stochastic>(static_cast<const std::uint16_t*>(weight_bytes),
                                      static_cast<const std::uint16_t*>(delta_bytes),
                                      static_cast<std::uint16_t*>(out_bytes), done, first_index,
                                      numbers)) {
      done = 0;
    }
    if (done == count) return false;
  }
  return transform_each<Weight, Delta, role, stochastic>(
      static_cast<const typename Weight::Stored*>(weight_bytes) + done,
      static_cast<const typename Delta::Stored*>(delta_bytes) + done,
      static_cast<typename Weight::Stored*>(out_bytes) + done, count - done, first_index + done,
      numbers);
}

/// Counts of kFloats lanes, as negative numbers: a true comparison is −1.
struct CountVectors {
  Masks moved{};
  Masks changed{};
  Masks lost{};
  Masks clamped{};
  Masks sign_flips{};
  Masks zero_weights{};
};

CONTOURFUSE_HOST_DEVICE std::uint64_t total(Masks negative) {
  std::int64_t sum = 0;
  for (std::size_t lane = 0; lane < kFloats; ++lane) sum -= negative[lane];
  return static_cast<std::uint64_t>(sum);
}

/// Counts of a whole block; a shorter one is padded with zeros, of which only `zero_weights` must
/// not hear.
template <class Weight, class Delta, ScfRole role>
RecordCounts count_block(const typename Weight::Stored* __restrict weight,
                         const typename Delta::Stored* __restrict delta,
                         const typename Weight::Stored* __restrict out, float parameter) {
  if constexpr (sizeof(*weight) == 2 && sizeof(*delta) == 2) {
    return count_halves<Delta, role>(weight, delta, out, parameter);
  }
  CountVectors sum;
  const Floats scale = Floats{} + parameter;  // in every lane
  for (std::size_t i = 0; i < kBlockElements; i += kFloats) {
    const Words w = load_words<Weight>(weight + i);
    const Floats d = widen<Delta, Words, Floats>(load_words<Delta>(delta + i));
    const Floats w_value = widen<Weight, Words, Floats>(w);
    const Floats t = contour<role>(d, scale);
    const Masks is_moved = moves(t, w_value);
    if constexpr (role == ScfRole::kGate) sum.clamped += is_clamped(d, scale);
    const Masks is_same = w == load_words<Weight>(out + i);
    sum.zero_weights += w_value == 0.0F;
    sum.moved += is_moved;
    sum.changed += ~is_same;
    sum.lost += is_moved & is_same;
    sum.sign_flips += flips_sign(t, w_value);
  }
  return {total(sum.moved),
          total(sum.changed),
          total(sum.lost),
          total(sum.clamped),
          total(sum.sign_flips),
          total(sum.zero_weights),
          0};
}

template <class Weight, class Delta, ScfRole role>
void record(const void* weight_bytes, const void* delta_bytes, const void* out_bytes,
            std::size_t elements, float parameter, RecordCounts& counts, RecordSums& sums) {
  using Stored = typename Weight::Stored;
  const auto* weight = static_cast<const Stored*>(weight_bytes);
  const auto* delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  const auto* out = static_cast<const Stored*>(out_bytes);
  alignas(kCacheLine) Stored padded_weight[kBlockElements];
  alignas(kCacheLine) typename Delta::Stored padded_delta[kBlockElements];
  alignas(kCacheLine) Stored padded_out[kBlockElements];
  weight = whole_block(weight, elements, padded_weight);
  out = whole_block(out, elements, padded_out);
  counts = count_block<Weight, Delta, role>(weight, whole_block(delta, elements, padded_delta), out,
                                            parameter);
  counts.zero_weights -= kBlockElements - elements;
  const PairSums pair = pair_sums<Weight>(weight, out);
  sums = {pair.a2, pair.b2, pair.change2, pair.change, pair.product, pair.max_change};
}

/// Extremes of elements of both signs, the rule; see Extremes::add_all.
template <class Format>
class ExtremesOfBothSigns {
 public:
  using Stored = typename Format::Stored;
  using Signed = typename Extremes<Format>::Signed;
  static constexpr std::size_t kElements = kVectorBytes / sizeof(Stored);

  /// kElements of them.
  CONTOURFUSE_HOST_DEVICE void add(const Stored* from) {
    const auto as_signed = load<SignedVector>(from);
    const auto as_unsigned = load<StoredVector>(from);
    signed_ = as_signed > signed_ ? as_signed : signed_;
    unsigned_ = as_unsigned > unsigned_ ? as_unsigned : unsigned_;
  }
  /// False if the elements were of one sign, or not all of them finite.
  bool get(BlockMoments& result) const {
    Signed as_signed = signed_[0];
    Stored as_unsigned = unsigned_[0];
    for (std::size_t i = 1; i < kElements; ++i) {
      as_signed = signed_[i] > as_signed ? signed_[i] : as_signed;
      as_unsigned = unsigned_[i] > as_unsigned ? unsigned_[i] : as_unsigned;
    }
    result.largest = Format::widen(static_cast<Stored>(as_signed));
    result.smallest = Format::widen(as_unsigned);
    return as_signed >= 0 && static_cast<Signed>(as_unsigned) < 0 &&
           std::isfinite(result.largest) && std::isfinite(result.smallest);
  }

 private:
  using SignedVector __attribute__((vector_size(kVectorBytes))) = Signed;
  using StoredVector __attribute__((vector_size(kVectorBytes))) = Stored;

  SignedVector signed_ = SignedVector{} + std::numeric_limits<Signed>::min();
  StoredVector unsigned_{};
};

template <class Format>
Moments block_moments(const typename Format::Stored* __restrict elements,
                      ExtremesOfBothSigns<Format>& seen) {
  constexpr std::size_t kGroup = kMomentPairs * 2 * kDoubles;
  ExtremesOfBothSigns<Format> extremes;
  alignas(kCacheLine) double sum[kLanes];
  alignas(kCacheLine) double squares[kLanes];
  for (std::size_t group = 0; group < kLanes; group += kGroup) {
    Doubles s[kMomentPairs][2] = {};
    Doubles q[kMomentPairs][2] = {};
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (std::size_t pair = 0; pair < kMomentPairs; ++pair) {
        Doubles x[2];
        load_pair<Format>(elements + row * kLanes + group + pair * 2 * kDoubles, x);
#pragma GCC unroll 2
        for (std::size_t v = 0; v < 2; ++v) {
          s[pair][v] = s[pair][v] + x[v];
          q[pair][v] = add_exact_product(x[v], x[v], q[pair][v]);
        }
      }
      for (std::size_t i = 0; i < kGroup; i += extremes.kElements) {
        extremes.add(elements + row * kLanes + group + i);
      }
      // The walk is too wide for the processor to foresee the next block.
      prefetch(elements + kBlockElements + group * kRows + row * kGroup);
    }
    for (std::size_t pair = 0; pair < kMomentPairs; ++pair) {
      store_pair<Format>(sum + group + pair * 2 * kDoubles, s[pair]);
      store_pair<Format>(squares + group + pair * 2 * kDoubles, q[pair]);
    }
  }
  seen = extremes;
  return {fold_lanes(sum), fold_lanes(squares)};
}

template <class Format>
BlockMoments moments(const void* bytes, std::size_t count) {
  using Stored = typename Format::Stored;
  const Stored* block = static_cast<const Stored*>(bytes);
  ExtremesOfBothSigns<Format> seen;
  BlockMoments result;
  if (count == kBlockElements) {
    result.moments = block_moments<Format>(block, seen);
    result.finite = count;
    if (seen.get(result)) return result;
  }
  alignas(kCacheLine) Stored padded[kBlockElements];
  result = make_finite_block<Format>(block, count, padded);
  result.moments = block_moments<Format>(block, seen);
  return result;
}

template <class Weight, class Delta>
void add_pair(Kernels& kernels, Element weight, Element delta) {
  const auto w = static_cast<std::size_t>(weight);
  const auto d = static_cast<std::size_t>(delta);
  constexpr auto kDown = static_cast<std::size_t>(ScfRole::kDown);
  constexpr auto kGate = static_cast<std::size_t>(ScfRole::kGate);
  kernels.transform[w][d][kDown][0] = transform<Weight, Delta, ScfRole::kDown, false>;
  kernels.transform[w][d][kDown][1] = transform<Weight, Delta, ScfRole::kDown, true>;
  kernels.transform[w][d][kGate][0] = transform<Weight, Delta, ScfRole::kGate, false>;
  kernels.transform[w][d][kGate][1] = transform<Weight, Delta, ScfRole::kGate, true>;
  kernels.record[w][d][kDown] = record<Weight, Delta, ScfRole::kDown>;
  kernels.record[w][d][kGate] = record<Weight, Delta, ScfRole::kGate>;
}

template <class Weight>
void add_weight(Kernels& kernels, Element weight) {
  add_pair<Weight, Bf16>(kernels, weight, Element::kBf16);
  add_pair<Weight, F16>(kernels, weight, Element::kF16);
  add_pair<Weight, F32>(kernels, weight, Element::kF32);
  kernels.moments[static_cast<std::size_t>(weight)] = moments<Weight>;
}

}  // namespace

// The level's table; no dynamic initialiser, which would run on processors without the level.
Kernels table(const char* level);
Kernels table(const char* level) {
  Kernels kernels;
  kernels.level = level;
  add_weight<Bf16>(kernels, Element::kBf16);
  add_weight<F16>(kernels, Element::kF16);
  add_weight<F32>(kernels, Element::kF32);
  return kernels;
}

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
