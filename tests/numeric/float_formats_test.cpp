// Widening of every 16-bit pattern, narrowing at every exponent and every half-way case, against
// f64 arithmetic.
#include "contourfuse/numeric/float_formats.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <random>

#include "numeric/rounding_reference.hpp"

namespace contourfuse {
namespace {

using test::Format16;
using test::kBf16Format;
using test::kF16Format;

template <class Format>
void expect_widens_as(const Format16& format) {
  std::uint32_t wrong = 0;
  for (std::uint32_t stored = 0; stored <= 0xFFFF; ++stored) {
    const float widened = Format::widen(static_cast<std::uint16_t>(stored));
    const double expected = test::value_of(format, stored);
    const bool both_nan = std::isnan(widened) && std::isnan(expected);
    const bool same =
        static_cast<double>(widened) == expected && std::signbit(widened) == std::signbit(expected);
    const bool finite = Format::is_finite(static_cast<std::uint16_t>(stored));
    if ((!both_nan && !same) || finite != std::isfinite(expected)) {
      if (wrong++ == 0) ADD_FAILURE() << std::hex << stored << " widens to " << widened;
    }
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(FloatFormats, WidensEveryBf16) { expect_widens_as<Bf16>(kBf16Format); }
TEST(FloatFormats, WidensEveryF16) { expect_widens_as<F16>(kF16Format); }

TEST(FloatFormats, EveryFiniteElementSurvivesTheWayThere) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    if (Bf16::is_finite(stored)) {
      ASSERT_EQ(Bf16::narrow(Bf16::widen(stored)), stored);
    }
    if (F16::is_finite(stored)) {
      ASSERT_EQ(F16::narrow(F16::widen(stored)), stored);
    }
  }
}

template <class Format>
class NearestCheck {
 public:
  explicit NearestCheck(const Format16& format) : format_(format) {}
  NearestCheck(const NearestCheck&) = delete;
  NearestCheck& operator=(const NearestCheck&) = delete;
  ~NearestCheck() {
    EXPECT_EQ(wrong_, 0U);
    EXPECT_GT(checked_, 0U);
  }
  void operator()(float value) {
    ++checked_;
    const std::uint32_t expected = test::nearest(format_, static_cast<double>(value));
    const std::uint32_t narrowed = Format::narrow(value);
    if (narrowed == expected) return;
    if (wrong_++ == 0) {
      ADD_FAILURE() << std::hexfloat << value << std::hex << " narrows to " << narrowed << ", not "
                    << expected;
    }
  }

 private:
  const Format16& format_;
  std::uint64_t checked_ = 0;
  std::uint64_t wrong_ = 0;
};

// All signs, exponents and kept bits, with the discarded bits at and around 0, ½ and 1.
TEST(FloatFormats, NarrowsToTheNearestBf16) {
  NearestCheck<Bf16> check(kBf16Format);
  for (std::uint32_t high = 0; high <= 0xFFFF; ++high) {
    for (const std::uint32_t low : {0U, 1U, 0x7FFFU, 0x8000U, 0x8001U, 0xC000U, 0xFFFFU}) {
      check(float_of_bits((high << 16) | low));
    }
  }
}

TEST(FloatFormats, NarrowsToTheNearestF16) {
  NearestCheck<F16> check(kF16Format);
  for (std::uint32_t high = 0; high < (1U << 19); ++high) {
    for (const std::uint32_t low : {0U, 1U, 0x0FFFU, 0x1000U, 0x1001U, 0x1FFFU}) {
      check(float_of_bits((high << 13) | low));
    }
  }
}

TEST(FloatFormats, NarrowsBetweenSubnormalsOfF16) {
  NearestCheck<F16> check(kF16Format);
  for (int step = 0; step <= 1030; ++step) {
    for (const double part : {0.0, 0.25, 0.5, 0.75}) {
      const auto value = static_cast<float>(std::ldexp(step + part, -24));
      for (const float near : {std::nextafter(value, -1.0F), value, std::nextafter(value, 1.0F)}) {
        check(near);
        check(-near);
      }
    }
  }
}

TEST(FloatFormats, NarrowsArbitraryValues) {
  NearestCheck<Bf16> bf16(kBf16Format);
  NearestCheck<F16> f16(kF16Format);
  std::mt19937 random(20);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    bf16(float_of_bits(bits));
    f16(float_of_bits(bits));
    // f16's own range, 2^-28 … 2^17.
    f16(float_of_bits((bits & 0x807FFFFFU) | ((99U + bits % 46U) << 23)));
  }
}

TEST(FloatFormats, OverflowsAtHalfAStepPastTheLargest) {
  EXPECT_EQ(F16::narrow(65519.996F), 0x7BFF);
  EXPECT_EQ(F16::narrow(65520.0F), 0x7C00);
  EXPECT_EQ(F16::narrow(-65520.0F), 0xFC00);
  EXPECT_EQ(Bf16::narrow(float_of_bits(0x7F7F7FFFU)), 0x7F7F);
  EXPECT_EQ(Bf16::narrow(float_of_bits(0x7F7F8000U)), 0x7F80);
  EXPECT_EQ(Bf16::narrow(float_of_bits(0xFF7F8000U)), 0xFF80);
}

TEST(FloatFormats, EveryNanNarrowsToOne) {
  for (const std::uint32_t bits : {0x7F800001U, 0x7FC00000U, 0x7FFFFFFFU, 0xFF800001U, 0xFFC12345U,
                                   0xFFFFFFFFU, 0x7F80FFFFU, 0x7F801FFFU}) {
    EXPECT_EQ(Bf16::narrow(float_of_bits(bits)), 0x7FFF) << std::hex << bits;
    EXPECT_EQ(F16::narrow(float_of_bits(bits)), 0x7FFF) << std::hex << bits;
  }
}

TEST(FloatFormats, F32KeepsItsBits) {
  for (const std::uint32_t bits : {0U, 1U, 0x80000000U, 0x80000001U, 0x007FFFFFU, 0x3F800001U,
                                   0x7F7FFFFFU, 0x7F800000U, 0xFF800000U}) {
    EXPECT_EQ(F32::narrow(F32::widen(bits)), bits);
    EXPECT_EQ(F32::is_finite(bits), bits != 0x7F800000U && bits != 0xFF800000U);
  }
  EXPECT_FALSE(F32::is_finite(0x7FC00000U));
}

}  // namespace
}  // namespace contourfuse
