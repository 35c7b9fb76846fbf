// Frames: the rounded cosine table, and the seeded permutations and signs of a layer.
#pragma once

#include <cstdint>
#include <vector>

namespace contourfuse {

/// What a Philox stream of a layer is for: the third counter word, after index and layer and before
/// the basis. The key is the recipe's seed.
enum class FrameStream : std::uint32_t {
  kInputSigns = 0,
  kOutputSigns = 1,
  kInputPermutation = 2,
  kOutputPermutation = 3,
};

struct StreamPlace {
  std::uint64_t seed = 0;
  std::uint32_t layer = 0;
  FrameStream stream = FrameStream::kInputSigns;
  std::uint32_t basis = 0;
};

/// T[m] = scale·√(2/H)·cos(πm/2H), 0 ≤ m < 4H, rounded to 16 significant bits; zeros are +0.
[[nodiscard]] std::vector<float> make_frame_table(std::uint64_t hidden_size, float scale);

/// 1 … H−1 by ascending 64-bit words: number i has words 2(i−1) and 2(i−1)+1 of the stream, low
/// half first.
[[nodiscard]] std::vector<std::uint32_t> make_permutation(std::uint64_t hidden_size,
                                                          const StreamPlace& place);

/// H sign masks, 0 or 0x8000: bit i of the stream, bit 0 of the first word first.
[[nodiscard]] std::vector<std::uint16_t> make_sign_masks(std::uint64_t hidden_size,
                                                         const StreamPlace& place);

}  // namespace contourfuse
