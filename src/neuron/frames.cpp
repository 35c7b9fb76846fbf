// The cosine table by its quadrants, argsort permutations, sign bits.
#include "contourfuse/neuron/frames.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "contourfuse/numeric/philox.hpp"

namespace contourfuse {
namespace {

// f64 to 16 significant bits, ties to even; the result is exact in f32 for every table entry of an
// allowed scale and width.
float round_to_16_bits(double value) {
  constexpr unsigned kDropped = 53 - 16;
  constexpr std::uint64_t kHalf = std::uint64_t{1} << (kDropped - 1);
  auto bits = std::bit_cast<std::uint64_t>(value);
  bits += kHalf - 1 + ((bits >> kDropped) & 1U);
  bits &= ~((std::uint64_t{1} << kDropped) - 1);
  return static_cast<float>(std::bit_cast<double>(bits));
}

PhiloxBlock stream_block(const StreamPlace& place, std::uint64_t index) {
  return philox(place.seed, {{static_cast<std::uint32_t>(index), place.layer,
                              static_cast<std::uint32_t>(place.stream), place.basis}});
}

}  // namespace

std::vector<float> make_frame_table(std::uint64_t hidden_size, float scale) {
  const std::size_t h = hidden_size;
  const auto width = static_cast<double>(h);
  const double norm = std::sqrt(2.0 / width);
  std::vector<float> table(4 * h, 0.0F);
  // Entries H and 3H, the zeros of the cosine, stay +0.
  for (std::size_t m = 0; m < h; ++m) {
    // Above the octant the sine of the complement keeps the relative precision.
    const double wave =
        2 * m <= h ? std::cos(std::numbers::pi * static_cast<double>(m) / (2.0 * width))
                   : std::sin(std::numbers::pi * static_cast<double>(h - m) / (2.0 * width));
    const float value = round_to_16_bits(static_cast<double>(scale) * norm * wave);
    table[m] = value;
    if (m != 0) table[4 * h - m] = value;
    table[2 * h - m] = -value;
    table[2 * h + m] = -value;
  }
  return table;
}

std::vector<std::uint32_t> make_permutation(std::uint64_t hidden_size, const StreamPlace& place) {
  const std::size_t count = hidden_size - 1;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keyed(count);
  for (std::size_t i = 0; i < count; i += 2) {
    const PhiloxBlock block = stream_block(place, i / 2);
    for (std::size_t half = 0; half < 2 && i + half < count; ++half) {
      const std::uint64_t key =
          (std::uint64_t{block.word[2 * half + 1]} << 32) | block.word[2 * half];
      keyed[i + half] = {key, static_cast<std::uint32_t>(i + half + 1)};
    }
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<std::uint32_t> permutation(count);
  std::transform(keyed.begin(), keyed.end(), permutation.begin(),
                 [](const auto& entry) { return entry.second; });
  return permutation;
}

std::vector<std::uint16_t> make_sign_masks(std::uint64_t hidden_size, const StreamPlace& place) {
  std::vector<std::uint16_t> masks(hidden_size);
  PhiloxBlock block{};
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (i % 128 == 0) block = stream_block(place, i / 128);
    const std::uint32_t bit = (block.word[(i / 32) % 4] >> (i % 32)) & 1U;
    masks[i] = static_cast<std::uint16_t>(bit << 15);
  }
  return masks;
}

}  // namespace contourfuse
