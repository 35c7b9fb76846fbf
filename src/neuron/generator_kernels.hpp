// The inner loops of the generator, one set per instruction-set level; all give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace contourfuse {

/// Rows of `down` over a run of cells of one basis.
struct DownRun {
  const float* table = nullptr;          ///< T′, `period` entries
  std::uint32_t period = 0;              ///< 4H
  const std::uint32_t* steps = nullptr;  ///< per cell, 2r′ mod 4H
  const float* coefficients = nullptr;   ///< per cell and gain
  std::size_t cells = 0;
  std::size_t gains = 0;
  const std::uint16_t* signs = nullptr;  ///< per row, 0 or 0x8000
  std::size_t rows = 0;                  ///< 1 … kRowsAtOnce
  std::size_t stride = 0;                ///< elements from one row of `out` to the next
};

/// Rows made in one pass: each coefficient is loaded once for all of them. (An enumerator: the
/// level objects have no weak symbols, which an inline variable would need.)
enum : std::size_t { kRowsAtOnce = 4 };

struct GeneratorKernels {
  /// bf16 elements [first, first + count) of a frame vector: table[(2i+1)·frame mod period] ^
  /// signs[i]. `table` and `signs` are bf16 bits; `signs` points to the one of element 0.
  void (*frame_row)(const std::uint16_t* table, std::uint32_t period, std::uint64_t frame,
                    std::uint64_t first, std::size_t count, const std::uint16_t* signs,
                    std::uint16_t* out);

  /// base · 2^exponent, negated if `mirrored`. No element may leave the normal range.
  void (*scaled_row)(const std::uint16_t* base, std::size_t count, int exponent, bool mirrored,
                     std::uint16_t* out);

  /// indices[j] = odd · frames[j] mod period.
  void (*start_indices)(const std::uint32_t* frames, std::size_t cells, std::uint64_t odd,
                        std::uint32_t period, std::uint32_t* indices);

  /// Elements 2·gains per cell, mirrored pairs; `indices` holds (2h+1)·r′ mod 4H of the first row
  /// h and is left at the row after the last.
  void (*down_rows)(const DownRun& run, std::uint32_t* indices, std::uint16_t* out);
};

/// The fastest level that this processor runs.
[[nodiscard]] const GeneratorKernels& generator_kernels() noexcept;
/// Every level that this processor runs, the baseline first.
[[nodiscard]] std::span<const GeneratorKernels* const> all_generator_kernels() noexcept;

}  // namespace contourfuse
