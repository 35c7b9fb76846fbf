// The cosine table, permutations and signs.
#include "contourfuse/neuron/frames.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

namespace contourfuse {
namespace {

TEST(Frames, TableIsARoundedCosine) {
  for (const std::uint64_t h : {2U, 3U, 64U, 100U, 5376U}) {
    for (const float scale : {1.0F, 0.1F}) {
      const std::vector<float> table = make_frame_table(h, scale);
      ASSERT_EQ(table.size(), 4 * h);
      const double peak = static_cast<double>(scale) * std::sqrt(2.0 / static_cast<double>(h));
      int zeros = 0;
      for (std::uint64_t m = 0; m < 4 * h; ++m) {
        const auto value = static_cast<double>(table[m]);
        // Half an ulp of 16 bits, relative; the cosine itself is off by a few 2^-53 of the peak.
        const double exact = peak * std::cos(std::numbers::pi * static_cast<double>(m) /
                                             (2.0 * static_cast<double>(h)));
        EXPECT_NEAR(value, exact, std::ldexp(std::fabs(value), -16) + 1e-14 * peak);
        // 16 significant bits: the last 8 of f32's 24 are zero.
        EXPECT_EQ(std::bit_cast<std::uint32_t>(table[m]) & 0xFFU, 0U);
        if (table[m] == 0) {
          ++zeros;
          EXPECT_FALSE(std::signbit(table[m]));
        }
        EXPECT_EQ(table[m], table[(4 * h - m) % (4 * h)]);
        EXPECT_EQ(table[m], -table[(m + 2 * h) % (4 * h)]);
      }
      EXPECT_EQ(zeros, 2);
    }
  }
}

TEST(Frames, PermutationsAreWholeAndDependOnEveryWord) {
  const StreamPlace place{.seed = 42, .layer = 5, .stream = FrameStream::kInputPermutation};
  for (const std::uint64_t h : {2U, 3U, 64U, 257U}) {
    std::vector<std::uint32_t> numbers = make_permutation(h, place);
    std::sort(numbers.begin(), numbers.end());
    std::vector<std::uint32_t> all(h - 1);
    std::iota(all.begin(), all.end(), 1U);
    EXPECT_EQ(numbers, all);
  }
  const auto first = make_permutation(64, place);
  EXPECT_EQ(make_permutation(64, place), first);
  for (const StreamPlace& other :
       {StreamPlace{43, 5, FrameStream::kInputPermutation, 0},
        StreamPlace{42 + (std::uint64_t{1} << 32), 5, FrameStream::kInputPermutation, 0},
        StreamPlace{42, 6, FrameStream::kInputPermutation, 0},
        StreamPlace{42, 5, FrameStream::kOutputPermutation, 0},
        StreamPlace{42, 5, FrameStream::kInputPermutation, 1}}) {
    EXPECT_NE(make_permutation(64, other), first);
  }
}

TEST(Frames, SignsAreBothAboutEquallyOften) {
  const auto masks = make_sign_masks(4096, {.seed = 1, .layer = 2});
  const auto minus = std::count(masks.begin(), masks.end(), std::uint16_t{0x8000});
  const auto plus = std::count(masks.begin(), masks.end(), std::uint16_t{0});
  EXPECT_EQ(minus + plus, 4096);
  EXPECT_NEAR(static_cast<double>(minus), 2048, 5 * 32);  // five standard deviations
  const auto shorter = make_sign_masks(300, {.seed = 1, .layer = 2});
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), masks.begin()));
}

}  // namespace
}  // namespace contourfuse
