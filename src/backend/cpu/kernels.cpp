// The block kernels. Compiled once per instruction-set level into CONTOURFUSE_KERNELS_NAMESPACE;
// the loops are shaped for the compiler's vectoriser, and every formula comes from `numeric`.
#include "contourfuse/backend/cpu/kernels.hpp"

#include <cmath>
#include <cstring>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

// Lanes whose accumulators stay in registers: 5 sums and a maximum of f64, 16 or 32 registers.
#if defined(__AVX512F__)
constexpr std::size_t kRecordLanes = 16;
constexpr std::size_t kMomentLanes = 32;
#else
constexpr std::size_t kRecordLanes = 8;
constexpr std::size_t kMomentLanes = 16;
#endif
constexpr std::size_t kRows = kBlockElements / kLanes;
constexpr std::size_t kCacheLine = 64;

template <ScfRole role>
CONTOURFUSE_HOST_DEVICE float contour(float delta, float parameter) {
  if constexpr (role == ScfRole::kDown) {
    return contour_down(delta, parameter);
  } else {
    return contour_gate(delta, parameter);
  }
}

/// The random words of elements [first, first + count); room for one quad more at either end.
struct RandomWords {
  alignas(kCacheLine) std::uint32_t word[kBlockElements + 8];
  std::size_t offset = 0;

  void fill(std::uint64_t first, std::size_t count, const TransformNumbers& numbers) {
    offset = first % 4;
    const std::uint64_t first_quad = first / 4;
    const std::size_t quads = (offset + count + 3) / 4;
    const auto hash_low = static_cast<std::uint32_t>(numbers.tensor_hash);
    const auto hash_high = static_cast<std::uint32_t>(numbers.tensor_hash >> 32);
    for (std::size_t quad = 0; quad < quads; ++quad) {
      const std::uint64_t index = first_quad + quad;
      const PhiloxBlock block = philox(
          numbers.rounding_seed, {{static_cast<std::uint32_t>(index),
                                   static_cast<std::uint32_t>(index >> 32), hash_low, hash_high}});
      for (std::size_t lane = 0; lane < 4; ++lane) word[4 * quad + lane] = block.word[lane];
    }
  }
};

template <class Weight, class Delta, ScfRole role, bool stochastic>
bool transform(const void* weight_bytes, const void* delta_bytes, void* out_bytes,
               std::size_t count, std::uint64_t first_index, const TransformNumbers& numbers) {
  const auto* __restrict weight = static_cast<const typename Weight::Stored*>(weight_bytes);
  const auto* __restrict delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  auto* __restrict out = static_cast<typename Weight::Stored*>(out_bytes);
  const float parameter = numbers.parameter;
  std::uint32_t bad = 0;
  if constexpr (stochastic && !std::is_same_v<Weight, F32>) {
    RandomWords random;
    random.fill(first_index, count, numbers);
    const std::uint32_t* __restrict words = random.word + random.offset;
    for (std::size_t i = 0; i < count; ++i) {
      const float value =
          apply_contour(contour<role>(Delta::widen(delta[i]), parameter), Weight::widen(weight[i]));
      const auto stored = narrow_stochastic<Weight>(value, words[i]);
      const bool finite =
          Weight::is_finite(weight[i]) & Delta::is_finite(delta[i]) & Weight::is_finite(stored);
      bad |= finite ? 0U : 1U;
      out[i] = stored;
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const float value =
          apply_contour(contour<role>(Delta::widen(delta[i]), parameter), Weight::widen(weight[i]));
      const auto stored = Weight::narrow(value);
      const bool finite =
          Weight::is_finite(weight[i]) & Delta::is_finite(delta[i]) & Weight::is_finite(stored);
      bad |= finite ? 0U : 1U;
      out[i] = stored;
    }
  }
  return bad != 0;
}

template <class Weight, class Delta, ScfRole role>
RecordCounts count(const typename Weight::Stored* __restrict weight,
                   const typename Delta::Stored* __restrict delta,
                   const typename Weight::Stored* __restrict out, std::size_t count,
                   float parameter) {
  // A block has 8192 elements: 32-bit counters suffice and vectorise.
  std::uint32_t moved = 0;
  std::uint32_t changed = 0;
  std::uint32_t lost = 0;
  std::uint32_t clamped = 0;
  std::uint32_t sign_flips = 0;
  std::uint32_t zero_weights = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float w = Weight::widen(weight[i]);
    const float d = Delta::widen(delta[i]);
    const float t = contour<role>(d, parameter);
    const std::uint32_t is_zero = w == 0.0F ? 1U : 0U;
    const std::uint32_t is_moved = (t != 0.0F ? 1U : 0U) & (is_zero ^ 1U);
    const std::uint32_t is_changed = weight[i] != out[i] ? 1U : 0U;
    zero_weights += is_zero;
    moved += is_moved;
    changed += is_changed;
    lost += is_moved & (is_changed ^ 1U);
    sign_flips += (t < -1.0F ? 1U : 0U) & (is_zero ^ 1U);
    if constexpr (role == ScfRole::kGate) {
      clamped += (d < -parameter ? 1U : 0U) | (d > parameter ? 1U : 0U);
    }
  }
  return {moved, changed, lost, clamped, sign_flips, zero_weights, 0};
}

/// Sums of a whole block; a shorter one is padded with zeros, which add nothing: no lane is ever
/// −0.
template <class Weight>
RecordSums sum_block(const typename Weight::Stored* __restrict weight,
                     const typename Weight::Stored* __restrict out) {
  alignas(kCacheLine) double weight2[kLanes];
  alignas(kCacheLine) double out2[kLanes];
  alignas(kCacheLine) double change2[kLanes];
  alignas(kCacheLine) double change[kLanes];
  alignas(kCacheLine) double weight_out[kLanes];
  double largest[kRecordLanes] = {};
  for (std::size_t group = 0; group < kLanes; group += kRecordLanes) {
    double sum_w2[kRecordLanes] = {};
    double sum_o2[kRecordLanes] = {};
    double sum_c2[kRecordLanes] = {};
    double sum_c[kRecordLanes] = {};
    double sum_wo[kRecordLanes] = {};
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto* __restrict w_row = weight + row * kLanes + group;
      const auto* __restrict o_row = out + row * kLanes + group;
      for (std::size_t lane = 0; lane < kRecordLanes; ++lane) {
        const double w = static_cast<double>(Weight::widen(w_row[lane]));
        const double o = static_cast<double>(Weight::widen(o_row[lane]));
        const double c = o - w;
        const double magnitude = std::fabs(c);
        sum_w2[lane] = std::fma(w, w, sum_w2[lane]);
        sum_o2[lane] = std::fma(o, o, sum_o2[lane]);
        sum_c2[lane] = std::fma(c, c, sum_c2[lane]);
        sum_c[lane] = sum_c[lane] + c;
        sum_wo[lane] = std::fma(w, o, sum_wo[lane]);
        largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
      }
    }
    for (std::size_t lane = 0; lane < kRecordLanes; ++lane) {
      weight2[group + lane] = sum_w2[lane];
      out2[group + lane] = sum_o2[lane];
      change2[group + lane] = sum_c2[lane];
      change[group + lane] = sum_c[lane];
      weight_out[group + lane] = sum_wo[lane];
    }
  }
  RecordSums sums;
  sums.weight2 = fold_lanes(weight2);
  sums.out2 = fold_lanes(out2);
  sums.change2 = fold_lanes(change2);
  sums.change = fold_lanes(change);
  sums.weight_out = fold_lanes(weight_out);
  for (const double value : largest)
    sums.max_change = value > sums.max_change ? value : sums.max_change;
  return sums;
}

/// `elements` as a whole block: itself, or a copy in `padded` with zeros after the last.
template <class Stored>
const Stored* whole_block(const Stored* elements, std::size_t count, Stored* padded) {
  if (count == kBlockElements) return elements;
  std::memcpy(padded, elements, count * sizeof(Stored));
  std::memset(padded + count, 0, (kBlockElements - count) * sizeof(Stored));
  return padded;
}

template <class Weight, class Delta, ScfRole role>
void record(const void* weight_bytes, const void* delta_bytes, const void* out_bytes,
            std::size_t elements, float parameter, RecordCounts& counts, RecordSums& sums) {
  using Stored = typename Weight::Stored;
  const auto* weight = static_cast<const Stored*>(weight_bytes);
  const auto* delta = static_cast<const typename Delta::Stored*>(delta_bytes);
  const auto* out = static_cast<const Stored*>(out_bytes);
  counts = count<Weight, Delta, role>(weight, delta, out, elements, parameter);
  alignas(kCacheLine) Stored padded_weight[kBlockElements];
  alignas(kCacheLine) Stored padded_out[kBlockElements];
  sums = sum_block<Weight>(whole_block(weight, elements, padded_weight),
                           whole_block(out, elements, padded_out));
}

template <class Format>
Moments block_moments(const typename Format::Stored* __restrict elements) {
  alignas(kCacheLine) double sum[kLanes];
  alignas(kCacheLine) double squares[kLanes];
  for (std::size_t group = 0; group < kLanes; group += kMomentLanes) {
    double s[kMomentLanes] = {};
    double q[kMomentLanes] = {};
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto* __restrict x_row = elements + row * kLanes + group;
      for (std::size_t lane = 0; lane < kMomentLanes; ++lane) {
        const double x = static_cast<double>(Format::widen(x_row[lane]));
        s[lane] = s[lane] + x;
        q[lane] = std::fma(x, x, q[lane]);
      }
    }
    for (std::size_t lane = 0; lane < kMomentLanes; ++lane) {
      sum[group + lane] = s[lane];
      squares[group + lane] = q[lane];
    }
  }
  return {fold_lanes(sum), fold_lanes(squares)};
}

template <class Format>
BlockMoments moments(const void* bytes, std::size_t count) {
  using Stored = typename Format::Stored;
  const auto* __restrict elements = static_cast<const Stored*>(bytes);
  std::uint32_t finite = 0;
  float smallest = HUGE_VALF;
  float largest = -HUGE_VALF;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_finite = Format::is_finite(elements[i]);
    const float x = Format::widen(elements[i]);
    const float low = is_finite ? x : HUGE_VALF;
    const float high = is_finite ? x : -HUGE_VALF;
    finite += is_finite ? 1U : 0U;
    smallest = low < smallest ? low : smallest;
    largest = high > largest ? high : largest;
  }
  BlockMoments result;
  result.finite = finite;
  result.smallest = smallest;
  result.largest = largest;
  alignas(kCacheLine) Stored padded[kBlockElements];
  const Stored* block = whole_block(elements, count, padded);
  if (finite != count) {
    // An element left out adds nothing; as a zero it does the same.
    std::memmove(padded, block, sizeof padded);
    for (Stored& x : padded) x = Format::is_finite(x) ? x : Stored{0};
    block = padded;
  }
  result.moments = block_moments<Format>(block);
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
