// Rows of an MLP's matrices and of their edits, as f32.
#pragma once

#include <cstdint>

#include "contourfuse/sweep/output_grid.hpp"
#include "sweep/output_kernels.hpp"

namespace contourfuse {

/// Elements [first_col, first_col + cols) of a row.
struct RowPart {
  std::uint64_t row = 0;
  std::uint64_t first_col = 0;
  std::uint64_t cols = 0;
};

/// Reads one matrix, and makes its edits from what it read. Thread-safe.
class OutputRows {
 public:
  OutputRows(const OutputMatrix& matrix, const OutputJob& job);

  /// False if no element is covered by a delta.
  [[nodiscard]] bool edited() const noexcept { return edited_; }
  [[nodiscard]] const MatrixJob& matrix() const noexcept { return matrix_.matrix; }
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  void read_weight(const RowPart& part, float* out) const;
  /// Uncovered elements are 0, which edits nothing.
  void read_delta(const RowPart& part, float* out) const;
  /// What the edit adds to the weights: of gate w·clamp(d, ±parameter), of down w·d, α_dyn being a
  /// factor of the whole product; where the sweep is exact w′ − w.
  void change(const RowPart& part, const float* weight, const float* delta, float parameter,
              float* out) const;

 private:
  const OutputMatrix& matrix_;
  bool edited_;
  bool exact_;
  StoredEdit stored_{};
};

}  // namespace contourfuse
