// Rounding an f32 result back to the stored type: nearest, or stochastic.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/philox.hpp"

namespace contourfuse {

/// The random words of elements 4·quad … 4·quad + 3, as below.
CONTOURFUSE_HOST_DEVICE PhiloxBlock rounding_words(std::uint64_t seed, std::uint64_t tensor_hash,
                                                   std::uint64_t quad) {
  return philox(seed, {{static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32),
                        static_cast<std::uint32_t>(tensor_hash),
                        static_cast<std::uint32_t>(tensor_hash >> 32)}});
}

/// The 32 random bits of element `index` (row-major in the whole matrix) of the tensor whose name
/// hashes to `tensor_hash` (XXH3-64).
CONTOURFUSE_HOST_DEVICE std::uint32_t rounding_bits(std::uint64_t seed, std::uint64_t tensor_hash,
                                                    std::uint64_t index) {
  return rounding_words(seed, tensor_hash, index / 4).word[index % 4];
}

/// Narrows finite `value`, rounding its magnitude up with probability equal to the discarded
/// fraction: `random mod 2^k` is added to the k discarded bits, then they are cut off. A value that
/// the type holds exactly never moves. Non-finite values narrow as by nearest.
template <class Format>
CONTOURFUSE_HOST_DEVICE typename Format::Stored narrow_stochastic(float value,
                                                                  std::uint32_t random);

template <>
CONTOURFUSE_HOST_DEVICE std::uint16_t narrow_stochastic<Bf16>(float value, std::uint32_t random) {
  const std::uint32_t bits = bits_of_float(value);
  if ((bits & 0x7F800000U) == 0x7F800000U) return Bf16::narrow(value);
  return static_cast<std::uint16_t>((bits + (random & 0xFFFFU)) >> 16);
}

template <>
CONTOURFUSE_HOST_DEVICE std::uint16_t narrow_stochastic<F16>(float value, std::uint32_t random) {
  const std::uint32_t bits = bits_of_float(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude >= 0x7F800000U) return F16::narrow(value);
  if (magnitude >= 0x38800000U) {  // normal in f16: 13 bits are discarded
    const std::uint32_t rounded = (magnitude + (random & 0x1FFFU) - (112U << 23)) >> 13;
    return static_cast<std::uint16_t>((rounded >= 0x7C00U ? 0x7C00U : rounded) | sign);
  }
  // Subnormal in f16: the significand with its hidden bit, in units of 2^-24, discards
  // k = −1 − e bits (e the exponent of the f32); below 2^-33 nothing but zero is left.
  const int exponent = static_cast<int>(magnitude >> 23) - 127;
  const int discarded = -1 - exponent;
  if (discarded > 32) return static_cast<std::uint16_t>(sign);
  const std::uint64_t significand = (magnitude & 0x7FFFFFU) | 0x800000U;
  const std::uint64_t mask = (std::uint64_t{1} << discarded) - 1;
  return static_cast<std::uint16_t>(
      static_cast<std::uint32_t>((significand + (random & mask)) >> discarded) | sign);
}

template <>
CONTOURFUSE_HOST_DEVICE std::uint32_t narrow_stochastic<F32>(float value,
                                                             std::uint32_t /*random*/) {
  return F32::narrow(value);
}

}  // namespace contourfuse
