// The CPU's answers to what a kernel is asked, and how answers are compared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/piece_editor.hpp"
#include "backend/cpu/reference.hpp"
#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/core/dtype.hpp"
#include "kernels/arguments.hpp"

namespace contourfuse::test {

[[nodiscard]] inline std::uint64_t blocks_of(std::uint64_t elements) {
  return (elements + kBlockElements - 1) / kBlockElements;
}

/// Elements of block `block` of `count`.
[[nodiscard]] inline std::size_t elements_of_block(std::uint64_t block, std::uint64_t count) {
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(kBlockElements, count - block * kBlockElements));
}

[[nodiscard]] inline std::vector<BlockMoments> cpu_moments(DType dtype,
                                                           std::span<const std::byte> elements) {
  const std::size_t bytes = editable_bytes(dtype);
  const std::uint64_t count = elements.size() / bytes;
  std::vector<BlockMoments> blocks;
  for (std::uint64_t b = 0; b < blocks_of(count); ++b) {
    const std::byte* from = elements.data() + b * kBlockElements * bytes;
    blocks.push_back(piece_moments(best_kernels(), dtype, from, elements_of_block(b, count)));
  }
  return blocks;
}

/// Extremes by value: +0 and −0 are alike to all who read them.
[[nodiscard]] inline bool same_moments(const BlockMoments& a, const BlockMoments& b) {
  return same_bits(a.moments.sum, b.moments.sum) &&
         same_bits(a.moments.sum_squares, b.moments.sum_squares) && a.finite == b.finite &&
         (a.finite == 0 || (a.smallest == b.smallest && a.largest == b.largest));
}
[[nodiscard]] inline bool same_record(const Record& a, const Record& b) {
  return same_counts(a.counts, b.counts) && same_sums(a.sums, b.sums) &&
         a.bad.count == b.bad.count && a.bad.first == b.bad.first;
}

inline constexpr char kTensorName[] = "model.layers.3.mlp.down_proj.weight";

/// What the CPU backend makes of the covered elements of `range`, in place, a block at a time.
inline std::vector<Record> cpu_scf(const Edit& edit, const Scaling& scaling,
                                   const device::CoveredRange& range, std::span<std::byte> weight,
                                   std::span<const std::byte> delta) {
  MatrixJob job;
  job.name = kTensorName;
  job.role = edit.role;
  job.cols = range.cols;
  job.covered_cols = range.covered_cols;
  job.dtype = edit.weight;
  job.delta_dtype = edit.delta;
  const ScfNumbers numbers{.stochastic = edit.stochastic, .rounding_seed = edit.seed};
  PieceEditor editor(best_kernels(), job, numbers, scaling);
  std::vector<Record> records;
  for (std::uint64_t b = 0; b < blocks_of(range.count); ++b) {
    const std::uint64_t done = b * kBlockElements;
    const PieceRecord piece =
        editor.edit_and_record(weight.data() + done * editable_bytes(edit.weight),
                               delta.data() + done * editable_bytes(edit.delta), range.first + done,
                               elements_of_block(b, range.count));
    records.push_back({piece.counts, piece.sums, piece.bad});
  }
  return records;
}

}  // namespace contourfuse::test
