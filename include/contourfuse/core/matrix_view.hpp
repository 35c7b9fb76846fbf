// A matrix inside a stored tensor.
#pragma once

#include <cstdint>
#include <string>

#include "contourfuse/core/dtype.hpp"

namespace contourfuse {

/// A row-major matrix that is a contiguous part of a stored tensor: the whole of a dense
/// `gate_proj.weight`, rows 0 … I−1 of a fused `gate_up_proj` [2I, H], or those rows of one leading
/// index of an expert tensor [E, 2I, H].
struct MatrixView {
  std::string tensor{};             ///< name of the stored tensor
  std::uint64_t leading_index = 0;  ///< index in the first dimension of a 3-D tensor, else 0
  std::uint64_t first_row = 0;      ///< first row of the view inside the stored matrix
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  DType dtype = DType::kBF16;
  std::uint64_t file_offset = 0;  ///< byte offset of element (0, 0) in its file

  [[nodiscard]] std::uint64_t elements() const noexcept { return rows * cols; }
};

}  // namespace contourfuse
