// Narrowing worked out in f64 arithmetic, without looking at bit patterns of f32.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace contourfuse::test {

/// A 16-bit format by its published parameters.
struct Format16 {
  int mantissa_bits;
  int smallest_exponent;  ///< of a normal number
  std::uint32_t infinity;
};
inline constexpr Format16 kBf16Format{7, -126, 0x7F80};
inline constexpr Format16 kF16Format{10, -14, 0x7C00};

inline double value_of(const Format16& format, std::uint32_t stored) {
  const std::uint32_t magnitude = stored & 0x7FFFU;
  const std::uint32_t fraction = magnitude & ((1U << format.mantissa_bits) - 1);
  const int exponent_field = static_cast<int>(magnitude >> format.mantissa_bits);
  const double unit = std::ldexp(1.0, format.smallest_exponent - format.mantissa_bits);
  double value = 0;
  if (magnitude == format.infinity) {
    value = HUGE_VAL;
  } else if (magnitude > format.infinity) {
    return std::nan("");
  } else if (exponent_field == 0) {
    value = fraction * unit;
  } else {
    value = std::ldexp((fraction + (1U << format.mantissa_bits)) * unit, exponent_field - 1);
  }
  return (stored & 0x8000U) != 0 ? -value : value;
}

/// |value| in units of the format's last place there, and that place's binade (0 for the lowest).
struct Scaled {
  double units;
  std::uint32_t binade;
};
inline Scaled scale(const Format16& format, double value) {
  if (value == 0) return {0, 0};
  int exponent = 0;
  std::frexp(value, &exponent);  // |value| = f · 2^exponent, ½ ≤ f < 1
  const int binade = value == 0 ? 0 : std::max(exponent - 1 - format.smallest_exponent, 0);
  const int last_place = format.smallest_exponent - format.mantissa_bits + binade;
  return {std::ldexp(std::fabs(value), -last_place), static_cast<std::uint32_t>(binade)};
}

/// The stored form of a whole number of units; a carry into the next binade comes out by itself.
inline std::uint32_t stored_of(const Format16& format, double whole_units, std::uint32_t binade,
                               bool negative) {
  const std::uint64_t magnitude =
      (std::uint64_t{binade} << format.mantissa_bits) + static_cast<std::uint64_t>(whole_units);
  return static_cast<std::uint32_t>(magnitude < format.infinity ? magnitude : format.infinity) |
         (negative ? 0x8000U : 0U);
}

/// Round to nearest, ties to even; NaN is 0x7FFF.
inline std::uint32_t nearest(const Format16& format, double value) {
  const bool negative = std::signbit(value);
  if (std::isnan(value)) return 0x7FFF;
  if (std::isinf(value)) return format.infinity | (negative ? 0x8000U : 0U);
  const Scaled scaled = scale(format, value);
  return stored_of(format, std::nearbyint(scaled.units), scaled.binade, negative);
}

}  // namespace contourfuse::test
