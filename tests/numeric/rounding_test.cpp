// Stochastic rounding: where each random number falls, unmoved values, and the mean.
#include "contourfuse/numeric/rounding.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "numeric/rounding_reference.hpp"

namespace contourfuse {
namespace {

using test::Format16;
using test::kBf16Format;
using test::kF16Format;

TEST(RoundingBits, AreTheWordsOfTheElementsQuad) {
  // The known answer of zero key and counter.
  EXPECT_EQ(rounding_bits(0, 0, 0), 0x6627e8d5U);
  EXPECT_EQ(rounding_bits(0, 0, 1), 0xe169c58dU);
  EXPECT_EQ(rounding_bits(0, 0, 2), 0xbc57ac4cU);
  EXPECT_EQ(rounding_bits(0, 0, 3), 0x9b00dbd8U);
  const std::uint64_t seed = 0x0123456789abcdefU;
  const std::uint64_t hash = 0xfedcba9876543210U;
  const std::uint64_t index = (std::uint64_t{7} << 34) + (std::uint64_t{5} << 2) + 2;
  EXPECT_EQ(rounding_bits(seed, hash, index),
            philox(seed, {{5, 7, 0x76543210U, 0xfedcba98U}}).word[2]);
}

/// Discarded bits of a finite value (docs/numerics.md).
int discarded_bits(const Format16& format, double value) {
  if (format.mantissa_bits == 7) return 16;
  const int exponent = value == 0 ? -127 : std::max(std::ilogb(value), -127);
  return exponent >= -14 ? 13 : -1 - exponent;
}

/// Every random number below a threshold rounds down, every other one up.
template <class Format>
void expect_threshold(const Format16& format, float value) {
  const auto wide = static_cast<double>(value);
  const int discarded = discarded_bits(format, wide);
  const auto [units, binade] = test::scale(format, wide);
  const bool negative = std::signbit(value);
  const double whole = std::floor(units);
  const std::uint32_t down = test::stored_of(format, whole, binade, negative);
  const std::uint32_t up = test::stored_of(format, whole + 1, binade, negative);
  const auto narrow = [&](std::uint64_t random) -> std::uint32_t {
    return narrow_stochastic<Format>(value, static_cast<std::uint32_t>(random));
  };
  const bool exact = units == whole;
  if (discarded > 32 || exact) {
    for (const std::uint32_t random : {0U, 1U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
      ASSERT_EQ(narrow(random), down) << std::hexfloat << value;
    }
    return;
  }
  const auto range = std::uint64_t{1} << discarded;
  // 2^k times the fraction is a whole number: the fraction has no more than k bits.
  const auto threshold = range - static_cast<std::uint64_t>(std::ldexp(units - whole, discarded));
  ASSERT_EQ(narrow(0), down) << std::hexfloat << value;
  ASSERT_EQ(narrow(threshold - 1), down) << std::hexfloat << value;
  ASSERT_EQ(narrow(threshold), up) << std::hexfloat << value;
  ASSERT_EQ(narrow(range - 1), up) << std::hexfloat << value;
  if (discarded < 32) {  // higher random bits do not matter
    const std::uint64_t noise = 0xDEADBEEFU & ~(range - 1);
    ASSERT_EQ(narrow(noise | (threshold - 1)), down) << std::hexfloat << value;
    ASSERT_EQ(narrow(noise | threshold), up) << std::hexfloat << value;
  }
}

template <class Format>
void expect_thresholds(const Format16& format, int first_exponent, int last_exponent) {
  std::mt19937 random(7);
  for (int exponent = first_exponent; exponent <= last_exponent; ++exponent) {
    for (int i = 0; i < 500; ++i) {
      const auto bits = static_cast<std::uint32_t>(random());
      std::uint32_t fraction = bits & 0x7FFFFFU;
      if (i % 5 == 0) fraction = i % 2 == 0 ? 0 : 0x7FFFFFU;
      if (i % 5 == 1) fraction &= 0x7FE000U;
      if (i % 5 == 2) fraction &= 0x7F0000U;
      const auto field = static_cast<std::uint32_t>(exponent + 127);
      expect_threshold<Format>(format,
                               float_of_bits((bits & 0x80000000U) | (field << 23) | fraction));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(StochasticRounding, RoundsBf16UpFromTheFractionsThreshold) {
  expect_thresholds<Bf16>(kBf16Format, -127, 127);  // with f32's denormals and the largest
}
TEST(StochasticRounding, RoundsNormalF16UpFromTheFractionsThreshold) {
  expect_thresholds<F16>(kF16Format, -14, 15);
}
TEST(StochasticRounding, RoundsSubnormalF16UpFromTheFractionsThreshold) {
  expect_thresholds<F16>(kF16Format, -33, -15);
}

TEST(StochasticRounding, NothingBelow2ToTheMinus33ReachesF16) {
  expect_thresholds<F16>(kF16Format, -127, -34);
  // 2^-33 is 2^-9 of the smallest subnormal: one random number of 512 rounds it up.
  EXPECT_EQ(narrow_stochastic<F16>(0x1p-33F, 0xFF800000U), 1);
  EXPECT_EQ(narrow_stochastic<F16>(0x1p-33F, 0xFF7FFFFFU), 0);
  EXPECT_EQ(narrow_stochastic<F16>(-0x1.fffffep-34F, 0xFFFFFFFFU), 0x8000);
}

TEST(StochasticRounding, ExactValuesNeverMove) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    for (const std::uint32_t random : {0U, 0x1234567U, 0xFFFFFFFFU}) {
      if (Bf16::is_finite(stored)) {
        ASSERT_EQ(narrow_stochastic<Bf16>(Bf16::widen(stored), random), stored);
      }
      if (F16::is_finite(stored)) {
        ASSERT_EQ(narrow_stochastic<F16>(F16::widen(stored), random), stored);
      }
    }
  }
  EXPECT_EQ(narrow_stochastic<F32>(0.1F, 0xFFFFFFFFU), bits_of_float(0.1F));
}

TEST(StochasticRounding, NonFiniteValuesAndOverflowNarrowAsByNearest) {
  for (const std::uint32_t random : {0U, 0xFFFFFFFFU}) {
    EXPECT_EQ(narrow_stochastic<Bf16>(HUGE_VALF, random), 0x7F80);
    EXPECT_EQ(narrow_stochastic<Bf16>(-HUGE_VALF, random), 0xFF80);
    EXPECT_EQ(narrow_stochastic<F16>(HUGE_VALF, random), 0x7C00);
    EXPECT_EQ(narrow_stochastic<F16>(-HUGE_VALF, random), 0xFC00);
    EXPECT_EQ(narrow_stochastic<Bf16>(float_of_bits(0xFF800001U), random), 0x7FFF);
    EXPECT_EQ(narrow_stochastic<F16>(float_of_bits(0xFF800001U), random), 0x7FFF);
    EXPECT_EQ(narrow_stochastic<F16>(1e9F, random), 0x7C00);
    EXPECT_EQ(narrow_stochastic<F16>(-65536.0F, random), 0xFC00);
  }
}

/// Mean of the narrowed value over elements 0 … n−1, in units of the last place above the lower.
template <class Format>
double mean_units(float value, double last_place, std::uint64_t count) {
  const double lower = std::floor(static_cast<double>(value) / last_place) * last_place;
  double sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto stored = narrow_stochastic<Format>(value, rounding_bits(3, 99, i));
    sum += (static_cast<double>(Format::widen(stored)) - lower) / last_place;
  }
  return sum / static_cast<double>(count);
}

TEST(StochasticRounding, KeepsTheMean) {
  constexpr std::uint64_t kCount = 200'000;
  for (const double fraction : {0.001953125, 0.125, 0.5, 0.875}) {
    // Four standard deviations of a mean of Bernoulli draws.
    const double tolerance = 4 * std::sqrt(fraction * (1 - fraction) / kCount);
    const double bf16 = std::ldexp(1.0, -7);
    EXPECT_NEAR(mean_units<Bf16>(static_cast<float>(1 + 5 * bf16 + fraction * bf16), bf16, kCount),
                fraction, tolerance);
    const double f16 = std::ldexp(1.0, -10);
    EXPECT_NEAR(mean_units<F16>(static_cast<float>(1 + 9 * f16 + fraction * f16), f16, kCount),
                fraction, tolerance);
    const double subnormal = std::ldexp(1.0, -24);
    EXPECT_NEAR(mean_units<F16>(static_cast<float>(fraction * subnormal), subnormal, kCount),
                fraction, tolerance);
  }
}

}  // namespace
}  // namespace contourfuse
