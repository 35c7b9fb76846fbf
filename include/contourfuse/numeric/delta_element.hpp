// Delta elements made from a recipe: the arithmetic of one element (docs/neurons.md).
#pragma once

#include <cstdint>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// Element 0 of frame vector `frame` lies at table entry `frame`, the next `2·frame` further, and
/// so on, modulo `period` = 4H: entry (2·element + 1)·frame mod 4H.
CONTOURFUSE_HOST_DEVICE std::uint32_t frame_entry(std::uint64_t element, std::uint64_t frame,
                                                  std::uint32_t period) {
  return static_cast<std::uint32_t>((2 * element + 1) * frame % period);
}

/// (entry + step) mod period, both below it: the wrapped difference is the larger one if there is
/// nothing to take off.
CONTOURFUSE_HOST_DEVICE std::uint32_t next_entry(std::uint32_t entry, std::uint32_t step,
                                                 std::uint32_t period) {
  const std::uint32_t sum = entry + step;
  const std::uint32_t rest = sum - period;
  return rest < sum ? rest : sum;
}

/// Gate and up: bf16 bits times 2^exponent, negated in the mirrored neuron of a pair. No element
/// may leave the normal range.
CONTOURFUSE_HOST_DEVICE std::uint16_t scaled_element(std::uint16_t base, int exponent,
                                                     bool mirrored) {
  // bf16 has its exponent from bit 7 on; a negative one wraps.
  const auto add = static_cast<std::uint16_t>(static_cast<unsigned>(exponent) << 7);
  const auto sign = static_cast<std::uint16_t>(mirrored ? 0x8000U : 0U);
  const auto unless_zero = static_cast<std::uint16_t>((base & 0x7FFFU) == 0 ? 0U : 0xFFFFU);
  return static_cast<std::uint16_t>((base + (add & unless_zero)) ^ sign);
}

/// What negates the mirrored element of a pair, or the other one where the row's sign is set.
CONTOURFUSE_HOST_DEVICE std::uint32_t pair_mirror(std::uint16_t row_sign) {
  return row_sign != 0 ? 0x00008000U : 0x80000000U;
}

/// Down: the elements of a mirrored pair of neurons, the first in the low half: rne of the finite
/// product of coefficient and table entry, and its negative.
CONTOURFUSE_HOST_DEVICE std::uint32_t mirrored_pair(float product, std::uint32_t mirror) {
  const std::uint32_t bits = bits_of_float(product);
  const std::uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  return ((rounded >> 16) | (rounded & 0xFFFF0000U)) ^ mirror;
}

}  // namespace contourfuse
