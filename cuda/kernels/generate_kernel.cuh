// Delta elements from a recipe's tables, in place on the device: nothing of a delta is transferred.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/delta_element.hpp"
#include "kernels/arguments.hpp"
#include "kernels/elements.cuh"

namespace contourfuse::device {

inline constexpr std::uint32_t kGenerateThreads = 256;

/// Elements [first, first + count) of gate or up, [I, H], as bf16 bits. Grid: a thread per eight.
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(kGenerateThreads)
    generate_frames_kernel(GeneratorTables tables, std::uint64_t first, std::uint64_t count,
                           std::uint16_t* out) {
  const std::uint64_t begin =
      (std::uint64_t{block_index()} * block_threads() + thread_index()) * kThreadElements;
  if (begin >= count) return;
  const std::uint64_t left = count - begin;
  const auto here = static_cast<std::uint32_t>(left < kThreadElements ? left : kThreadElements);
  std::uint64_t row = (first + begin) / tables.hidden;
  std::uint64_t column = (first + begin) % tables.hidden;
  std::uint16_t made[kThreadElements];
  bool at_row_start = true;  // of this thread's part of the row
  std::uint32_t entry = 0;
  std::uint32_t step = 0;
  std::uint64_t signs = 0;
  std::int32_t exponent = 0;
  CONTOURFUSE_UNROLL(8)
  for (std::uint32_t k = 0; k < kThreadElements; ++k) {
    const std::uint64_t cell = row / (2 * tables.gains);
    made[k] = 0;
    if (k < here && cell < tables.cells) {
      if (at_row_start) {
        const std::uint32_t frame = tables.frames[cell];
        entry = frame_entry(column, frame, tables.period);
        step = static_cast<std::uint32_t>(2 * std::uint64_t{frame} % tables.period);
        signs = cell / (tables.hidden - 1) * tables.hidden;
        exponent =
            tables.exponents[cell % tables.sources * tables.gains + row % (2 * tables.gains) / 2];
        at_row_start = false;
      }
      const auto base =
          static_cast<std::uint16_t>(tables.gate_table[entry] ^ tables.signs[signs + column]);
      made[k] = scaled_element(base, exponent, row % 2 != 0);
      entry = next_entry(entry, step, tables.period);
    }
    if (++column == tables.hidden) {
      column = 0;
      ++row;
      at_row_start = true;
    }
  }
  store_elements(made, here, is_packet_aligned(out + begin), out + begin);
}

/// Elements [first, first + count) of down, [H, I], as bf16 bits. Grid: a thread per eight.
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(kGenerateThreads)
    generate_outputs_kernel(GeneratorTables tables, std::uint64_t first, std::uint64_t count,
                            std::uint16_t* out) {
  const std::uint64_t begin =
      (std::uint64_t{block_index()} * block_threads() + thread_index()) * kThreadElements;
  if (begin >= count) return;
  const std::uint64_t left = count - begin;
  const auto here = static_cast<std::uint32_t>(left < kThreadElements ? left : kThreadElements);
  std::uint64_t row = (first + begin) / tables.intermediate;
  std::uint64_t column = (first + begin) % tables.intermediate;
  std::uint16_t made[kThreadElements];
  std::uint64_t looked_up = tables.cells;  // cell whose table entry `wave` is
  float wave = 0;
  std::uint32_t mirror = 0;
  CONTOURFUSE_UNROLL(8)
  for (std::uint32_t k = 0; k < kThreadElements; ++k) {
    const std::uint64_t cell = column / (2 * tables.gains);
    made[k] = 0;
    if (k < here && cell < tables.cells) {
      if (cell != looked_up) {
        const std::uint64_t basis = cell / (tables.hidden - 1);
        wave = tables.down_table[frame_entry(row, tables.frames[cell], tables.period)];
        mirror = pair_mirror(tables.signs[basis * tables.hidden + row]);
        looked_up = cell;
      }
      const std::uint64_t gain = column % (2 * tables.gains) / 2;
      const std::uint32_t pair =
          mirrored_pair(tables.coefficients[cell * tables.gains + gain] * wave, mirror);
      made[k] = static_cast<std::uint16_t>(column % 2 == 0 ? pair : pair >> 16);
    }
    if (++column == tables.intermediate) {
      column = 0;
      ++row;
      looked_up = tables.cells;
    }
  }
  store_elements(made, here, is_packet_aligned(out + begin), out + begin);
}

}  // namespace contourfuse::device
