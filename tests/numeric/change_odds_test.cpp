// The odds of a stochastic change, against counting all random numbers.
#include "contourfuse/numeric/change_odds.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "contourfuse/numeric/rounding.hpp"

namespace contourfuse {
namespace {

/// Of the random numbers below 2^bits, those that do not give `stored`, times 2^(32 − bits).
template <class Format>
std::uint64_t counted(float value, typename Format::Stored stored, int bits) {
  const std::uint64_t numbers = std::uint64_t{1} << bits;
  std::uint64_t changes = 0;
  for (std::uint64_t random = 0; random < numbers; ++random) {
    const auto code = narrow_stochastic<Format>(value, static_cast<std::uint32_t>(random));
    changes += code != stored ? 1U : 0U;
  }
  return changes << (32 - bits);
}

/// For the two codes that the value may round to, their neighbours, and another one.
template <class Format>
void expect_odds(float value, int bits) {
  const std::uint16_t down = narrow_stochastic<Format>(value, 0);
  const std::uint16_t stored[] = {
      down, static_cast<std::uint16_t>(down + 1), static_cast<std::uint16_t>(down - 1),
      static_cast<std::uint16_t>(down ^ 0x8000U), static_cast<std::uint16_t>(down + 2)};
  for (const std::uint16_t code : stored) {
    ASSERT_EQ(change_odds<Format>(value, code), counted<Format>(value, code, bits))
        << std::hexfloat << value << " from " << code;
  }
}

TEST(ChangeOdds, OfBf16AreThoseOfAllRandomNumbers) {
  const std::vector<float> values = {
      0,      -0.0F,         1,       1.001F, -1.003F,       0x1p-140F,
      1e-39F, -0x1.FFp-127F, 3.3e38F, 0.1F,   -0x1.FFFFFEp0F};
  for (const float value : values) expect_odds<Bf16>(value, 16);
}

TEST(ChangeOdds, OfF16AreThoseOfAllRandomNumbers) {
  for (const float value : {0.0F, -0.0F, 1.0F, 1.0003F, -0.1F, 0x1.FFFFFEp3F, 0x1p-14F, 65000.0F}) {
    expect_odds<F16>(value, 13);
  }
  // Subnormal: 14 discarded bits at 2^-15, one more for each exponent below.
  for (const float value : {0x1.234568p-15F, -0x1.FFFFFEp-15F, 0x1p-15F}) {
    expect_odds<F16>(value, 14);
  }
  for (const float value : {0x1.234568p-18F, -0x1.8p-18F}) expect_odds<F16>(value, 17);
}

TEST(ChangeOdds, OfTinyF16AreTheValueInUnitsOfTheLeastOne) {
  std::mt19937 random(5);
  for (int i = 0; i < 1000; ++i) {
    const float significand = 1 + std::ldexp(static_cast<float>(random() % 8388608U), -23);
    const float value = std::ldexp(significand, -25 - static_cast<int>(random() % 9U));
    // 2^-24 is the least value: the odds of rounding up to it are value · 2^24.
    const double up = std::ldexp(static_cast<double>(value), 24);
    const std::uint64_t odds = change_odds<F16>(value, 0);
    // k discarded bits, of which the value's last ones may lie below 2^-32: then none is cut off
    // that the random number could meet.
    EXPECT_NEAR(static_cast<double>(odds) * 0x1p-32, up, 0x1p-32);
    EXPECT_EQ(change_odds<F16>(value, 1), kCertain - odds);
    EXPECT_EQ(change_odds<F16>(-value, 0x8000), odds);
    EXPECT_EQ(change_odds<F16>(-value, 0), kCertain);
    EXPECT_EQ(change_odds<F16>(value, 2), kCertain);
  }
  // Below 2^-33 nothing is left.
  EXPECT_EQ(change_odds<F16>(0x1.FFFFFEp-34F, 0), 0U);
  EXPECT_EQ(change_odds<F16>(0x1.FFFFFEp-34F, 1), kCertain);
  EXPECT_EQ(change_odds<F16>(0x1p-149F, 0), 0U);
}

TEST(ChangeOdds, OfF32AreAllOrNothing) {
  EXPECT_EQ(change_odds<F32>(1.0F, 0x3F800000U), 0U);
  EXPECT_EQ(change_odds<F32>(1.0F, 0x3F800001U), kCertain);
  EXPECT_EQ(change_odds<F32>(-0.0F, 0U), kCertain);
}

}  // namespace
}  // namespace contourfuse
