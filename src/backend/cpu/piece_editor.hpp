// Editing elements in a worker's buffers: transform, keep what is not finite, record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "matrix_state.hpp"

namespace contourfuse {

/// Counts, folded sums and bad elements of one piece.
struct PieceRecord {
  RecordCounts counts{};
  RecordSums sums{};
  BadElements bad{};
};

/// Edits of one matrix by one worker.
class PieceEditor {
 public:
  PieceEditor(const Kernels& kernels, const MatrixJob& job, const ScfNumbers& numbers,
              Scaling scaling);

  /// Edits `count` elements of one row-major run in place, without a record.
  void edit(std::byte* weight, const std::byte* delta, std::uint64_t count,
            std::uint64_t first_index);
  /// Edits covered elements [first, first + count) in place and records them; `count` ≤
  /// kMostPieceBlocks blocks, `first` at a block's start.
  PieceRecord edit_and_record(std::byte* weight, const std::byte* delta, std::uint64_t first,
                              std::uint64_t count);

 private:
  void transform(const std::byte* weight, const std::byte* delta, std::size_t at, std::size_t count,
                 std::uint64_t first_index);
  void transform_block(const std::byte* weight, const std::byte* delta, std::uint64_t first,
                       std::size_t count);
  void record_block(const std::byte* weight, const std::byte* delta, std::size_t count,
                    RecordCounts& counts, RecordSums& sums);

  const MatrixJob& job_;
  Scaling scaling_;
  TransformNumbers numbers_{};
  Kernels::Transform transform_;
  Kernels::Record record_;
  std::size_t weight_bytes_;
  std::size_t delta_bytes_;
  std::vector<std::uint64_t> out_;  // one block of results
  std::vector<std::size_t> bad_{};  // places in the block that are not finite
  BadElements bad_elements_{};
};

/// Moments of up to kMostPieceBlocks blocks of elements, folded.
[[nodiscard]] BlockMoments piece_moments(const Kernels& kernels, DType dtype,
                                         const std::byte* elements, std::uint64_t count);

}  // namespace contourfuse
