// SCF of bf16 by bf16, by far the most frequent pair, in vectors of element pairs. Included by
// level files alone: what it defines depends on the level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "halves.hpp"
#include "numeric/vectors.hpp"
#include "random_words.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

#if defined(__AVX2__) && defined(__FMA__)
inline constexpr bool kEditsPairs = true;
#else
inline constexpr bool kEditsPairs = false;  // no vector has the fused multiply-add
#endif

/// Of each lane's element pair, the results' f32 bits with what rounding adds: the stored element
/// is the high half.
template <bool stochastic>
CONTOURFUSE_HOST_DEVICE Words add_rounding(Words bits, Words random) {
  if constexpr (stochastic) {
    return bits + (random & 0xFFFFU);
  } else {
    return bits + 0x7FFFU + ((bits >> 16) & 1U);
  }
}

/// Writes results of `count` elements, a multiple of kHalves, and says whether all of them and of
/// the inputs are finite; if not, the results' bits mean nothing. `first_index` is a multiple of 4
/// where rounding is stochastic.
template <ScfRole role, bool stochastic>
bool edit_pairs(const std::uint16_t* __restrict weight, const std::uint16_t* __restrict delta,
                std::uint16_t* __restrict out, std::size_t count, std::uint64_t first_index,
                const TransformNumbers& numbers) {
  constexpr std::uint32_t kHigh = 0xFFFF0000U;
  const Floats parameter = Floats{} + numbers.parameter;
  const std::uint64_t tensor_hash = numbers.tensor_hash;
  const RoundKeys keys(numbers.rounding_seed);
  LongWords quads = quads_from(first_index / 4);
  GreatestMagnitude greatest;
  for (std::size_t i = 0; i < count; i += kHalves) {
    prefetch(weight + i + kBlockElements);
    prefetch(delta + i + kBlockElements);
    const auto w = load<Words>(weight + i);
    const auto d = load<Words>(delta + i);
    Words even_random{};
    Words odd_random{};
    if constexpr (stochastic) {
      const QuadWords words(quads, tensor_hash, keys);
      even_random = same_bits<Words>(words.pair(0, 2));
      odd_random = same_bits<Words>(words.pair(1, 3));
      quads += kDoubles;
    }
    const auto result = [&](Words w_bits, Words d_bits) {
      const auto w_value = same_bits<Floats>(w_bits);
      const Floats t = contour<role>(same_bits<Floats>(d_bits), parameter);
      return same_bits<Words>(multiply_add(t, w_value, w_value));
    };
    const Words even = add_rounding<stochastic>(result(w << 16, d << 16), even_random);
    const Words odd = add_rounding<stochastic>(result(w & kHigh, d & kHigh), odd_random);
    const Words both = (even >> 16) | (odd & kHigh);
    std::memcpy(out + i, &both, sizeof both);
    // A weight that is not finite shows in its result, and so does a delta, if it is not clamped.
    greatest.add(both);
    if constexpr (role == ScfRole::kGate) greatest.add(d);
  }
  return Bf16::is_finite(greatest.value());
}

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
