// bf16, f16 and f32: exact widening, and narrowing by round to nearest, ties to even.
#pragma once

#include <cstdint>
#include <cstring>

#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// The canonical quiet NaN that narrowing produces, in either 16-bit format.
inline constexpr std::uint16_t kNarrowNan = 0x7FFF;

CONTOURFUSE_HOST_DEVICE float float_of_bits(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

CONTOURFUSE_HOST_DEVICE std::uint32_t bits_of_float(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// An element type: its stored form, widening, narrowing (rne), and finiteness of stored bits.
/// Denormals are kept in both directions. Everything is branch-free so that loops vectorise.
struct Bf16 {
  using Stored = std::uint16_t;

  static CONTOURFUSE_HOST_DEVICE float widen(Stored stored) {
    return float_of_bits(static_cast<std::uint32_t>(stored) << 16);
  }
  static CONTOURFUSE_HOST_DEVICE Stored narrow(float value) {
    const std::uint32_t bits = bits_of_float(value);
    const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    const bool is_nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
    return static_cast<Stored>(is_nan ? static_cast<std::uint32_t>(kNarrowNan) : rounded);
  }
  static CONTOURFUSE_HOST_DEVICE bool is_finite(Stored stored) {
    return (stored & 0x7F80U) != 0x7F80U;
  }
};

struct F16 {
  using Stored = std::uint16_t;

  static CONTOURFUSE_HOST_DEVICE float widen(Stored stored) {
    const std::uint32_t half = stored;
    const std::uint32_t sign = (half & 0x8000U) << 16;
    const std::uint32_t magnitude = (half & 0x7FFFU) << 13;
    // Exponent bias 15 → 127: times 2^112, which also normalises denormals; exact.
    const float scaled = float_of_bits(magnitude) * 0x1p112F;
    const bool special = (half & 0x7C00U) == 0x7C00U;
    const std::uint32_t bits = special ? (magnitude | 0x7F800000U) : bits_of_float(scaled);
    return float_of_bits(bits | sign);
  }
  static CONTOURFUSE_HOST_DEVICE Stored narrow(float value) {
    const std::uint32_t bits = bits_of_float(value);
    const std::uint32_t sign = (bits >> 16) & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    // Normal range: rebias by −112 exponents and round the 13 discarded bits on the integer.
    const std::uint32_t normal =
        (magnitude - (112U << 23) + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
    // Below 2^-14: adding ½ aligns the result's last bit (2^-24) with f32's, so the addition
    // rounds.
    const std::uint32_t subnormal =
        bits_of_float(float_of_bits(magnitude) + 0.5F) - bits_of_float(0.5F);
    std::uint32_t result = magnitude < 0x38800000U ? subnormal : normal;
    result = magnitude >= 0x477FF000U ? 0x7C00U : result;  // 65520 and above round to infinity
    result = magnitude > 0x7F800000U ? static_cast<std::uint32_t>(kNarrowNan) : (result | sign);
    return static_cast<Stored>(result);
  }
  static CONTOURFUSE_HOST_DEVICE bool is_finite(Stored stored) {
    return (stored & 0x7C00U) != 0x7C00U;
  }
};

struct F32 {
  using Stored = std::uint32_t;

  static CONTOURFUSE_HOST_DEVICE float widen(Stored stored) { return float_of_bits(stored); }
  static CONTOURFUSE_HOST_DEVICE Stored narrow(float value) { return bits_of_float(value); }
  static CONTOURFUSE_HOST_DEVICE bool is_finite(Stored stored) {
    return (stored & 0x7F800000U) != 0x7F800000U;
  }
};

}  // namespace contourfuse
