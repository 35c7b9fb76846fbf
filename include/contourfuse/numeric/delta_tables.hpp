// What the elements of a made delta matrix are made from.
#pragma once

#include <cstdint>
#include <span>

namespace contourfuse {

/// A delta matrix that is made, as the tables that its elements are made from (docs/neurons.md).
/// Whoever has them may make any element, by delta_element.hpp.
struct DeltaTables {
  std::uint64_t hidden = 0;        ///< H
  std::uint64_t intermediate = 0;  ///< I
  std::uint64_t cells = 0;
  std::uint32_t gains = 0;                      ///< K; a cell is 2K neurons
  std::uint32_t period = 0;                     ///< 4H
  std::uint32_t sources = 0;                    ///< dealt to the cells in turn
  std::span<const std::uint16_t> gate_table{};  ///< bf16 bits of a frame vector's entries
  std::span<const float> down_table{};
  std::span<const std::uint32_t> frames{};    ///< per cell, of the input or the output basis
  std::span<const std::uint16_t> signs{};     ///< 0 or 0x8000 per basis and element of a vector
  std::span<const std::int32_t> exponents{};  ///< gate: per dealt source and gain
  std::span<const float> coefficients{};      ///< down: per cell and gain
};

}  // namespace contourfuse
