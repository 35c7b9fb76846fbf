// The random words of stochastic rounding, a vector of Philox counters at a time. Included by level
// files alone: what it defines depends on the level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "numeric/blocks.hpp"
#include "numeric/vectors.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

/// Philox's round keys in every lane, so that loops load them and make them once.
struct RoundKeys {
  LongWords key0[10];
  LongWords key1[10];

  explicit RoundKeys(std::uint64_t seed) {
    auto low = static_cast<std::uint32_t>(seed);
    auto high = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      key0[round] = LongWords{} + low;
      key1[round] = LongWords{} + high;
      low += 0x9E3779B9U;
      high += 0xBB67AE85U;
    }
  }
};

/// Words of kDoubles quads: word j of each in the low half of a lane; what is above it is anything.
struct QuadWords {
  LongWords word[4];

  /// As `philox` of each quad's counter.
  CONTOURFUSE_HOST_DEVICE QuadWords(LongWords index, std::uint64_t tensor_hash,
                                    const RoundKeys& keys) {
    const LongWords zero{};
    LongWords c0 = index;
    LongWords c1 = index >> 32;
    LongWords c2 = zero + tensor_hash;
    LongWords c3 = c2 >> 32;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const LongWords product0 = multiply_low_words(c0, zero + 0xD2511F53U);
      const LongWords product1 = multiply_low_words(c2, zero + 0xCD9E8D57U);
      c0 = (product1 >> 32) ^ (c1 ^ keys.key0[round]);
      c1 = product1;
      c2 = (product0 >> 32) ^ (c3 ^ keys.key1[round]);
      c3 = product0;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
  }
  /// Words a and b of each quad side by side.
  [[nodiscard]] CONTOURFUSE_HOST_DEVICE LongWords pair(std::size_t a, std::size_t b) const {
    constexpr std::uint64_t kLowWord = 0xFFFFFFFFU;
    return (word[a] & kLowWord) | (word[b] << 32);
  }
};

/// Counters from quad `first` on, one in each lane.
CONTOURFUSE_HOST_DEVICE LongWords quads_from(std::uint64_t first) {
  LongWords index{};
  for (std::size_t lane = 0; lane < kDoubles; ++lane) index[lane] = first + lane;
  return index;
}

/// The random words of elements [first, first + count); room for what the last vector adds.
struct RandomWords {
  alignas(kCacheLine) std::uint64_t pairs[kBlockElements / 2 + 2 + 2 * kDoubles];
  std::size_t offset = 0;

  void fill(std::uint64_t first, std::size_t count, const TransformNumbers& numbers) {
    offset = first % 4;
    const RoundKeys keys(numbers.rounding_seed);
    const std::size_t quads = (offset + count + 3) / 4;
    LongWords index = quads_from(first / 4);
    for (std::size_t quad = 0; quad < quads; quad += kDoubles, index += kDoubles) {
      const QuadWords words(index, numbers.tensor_hash, keys);
      const LongWords pair0 = words.pair(0, 1);
      const LongWords pair1 = words.pair(2, 3);
      for (std::size_t lane = 0; lane < kDoubles; ++lane) {
        pairs[2 * (quad + lane)] = pair0[lane];
        pairs[2 * (quad + lane) + 1] = pair1[lane];
      }
    }
  }
};

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
