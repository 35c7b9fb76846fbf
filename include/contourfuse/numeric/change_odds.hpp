// How likely stochastic rounding is to change a stored element.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// Certainty, in the unit of change_odds: the odds are whole multiples of 2^-32.
inline constexpr std::uint64_t kCertain = std::uint64_t{1} << 32;

/// Of the random numbers that narrow_stochastic may be given with finite `value`, the share that
/// does not give `stored`; times kCertain, exact.
template <class Format>
CONTOURFUSE_HOST_DEVICE std::uint64_t change_odds(float value, typename Format::Stored stored);

/// Odds of a value cut off to `cut` that rounds up to the next code with the odds `up`.
CONTOURFUSE_HOST_DEVICE std::uint64_t odds_between(std::uint32_t cut, std::uint64_t up,
                                                   std::uint32_t stored) {
  const std::uint64_t unless_up = stored == cut + 1 ? kCertain - up : kCertain;
  return stored == cut ? up : unless_up;
}

template <>
CONTOURFUSE_HOST_DEVICE std::uint64_t change_odds<Bf16>(float value, std::uint16_t stored) {
  const std::uint32_t bits = bits_of_float(value);
  return odds_between(bits >> 16, std::uint64_t{bits & 0xFFFFU} << 16, stored);
}

template <>
CONTOURFUSE_HOST_DEVICE std::uint64_t change_odds<F16>(float value, std::uint16_t stored) {
  const std::uint32_t bits = bits_of_float(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t normal = (magnitude - (112U << 23)) >> 13;
  const std::uint64_t normal_up = std::uint64_t{magnitude & 0x1FFFU} << 19;
  // As narrow_stochastic: a significand of which −1 − e bits are cut off, at most 32 of them.
  const std::uint32_t exponent = magnitude >> 23;
  const std::uint32_t beyond = 126U - (exponent < 126U ? exponent : 126U);
  const std::uint32_t discarded = beyond < 33U ? beyond : 32U;
  const std::uint64_t significand =
      beyond < 33U ? (magnitude & 0x7FFFFFU) | 0x800000U : 0U;  // nothing but zero is left
  const auto subnormal = static_cast<std::uint32_t>(significand >> discarded);
  const std::uint64_t rest = significand & ((std::uint64_t{1} << discarded) - 1);
  const bool is_normal = magnitude >= 0x38800000U;
  return odds_between((is_normal ? normal : subnormal) | sign,
                      is_normal ? normal_up : rest << (32U - discarded), stored);
}

template <>
CONTOURFUSE_HOST_DEVICE std::uint64_t change_odds<F32>(float value, std::uint32_t stored) {
  return bits_of_float(value) == stored ? 0 : kCertain;
}

}  // namespace contourfuse
