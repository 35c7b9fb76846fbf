// Editing elements in a worker's buffers: transform, keep what is not finite, record.
#include "piece_editor.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "contourfuse/io/hash.hpp"
#include "work_list.hpp"

namespace contourfuse {
PieceEditor::PieceEditor(const Kernels& kernels, const MatrixJob& job, const ScfNumbers& numbers,
                         Scaling scaling)
    : job_(job),
      scaling_(scaling),
      numbers_{scaling.parameter, numbers.rounding_seed, xxh3_64(job.name)},
      transform_(kernels.transform[element_index(job.dtype)][element_index(job.delta_dtype)]
                                  [static_cast<std::size_t>(job.role)][numbers.stochastic ? 1 : 0]),
      record_(kernels.record[element_index(job.dtype)][element_index(job.delta_dtype)]
                            [static_cast<std::size_t>(job.role)]),
      weight_bytes_(editable_bytes(job.dtype)),
      delta_bytes_(editable_bytes(job.delta_dtype)),
      out_(kBlockElements * weight_bytes_ / sizeof(std::uint64_t)) {
  // A zero delta has no element beyond 0, whatever γ.
  if (scaling.state == ScalingState::kZeroDelta) numbers_.parameter = 0;
}

void PieceEditor::transform(const std::byte* weight, const std::byte* delta, std::size_t at,
                            std::size_t count, std::uint64_t first_index) {
  auto* out = static_cast<std::byte*>(static_cast<void*>(out_.data())) + at * weight_bytes_;
  const bool any_bad = transform_(weight, delta, out, count, first_index, numbers_);
  if (any_bad) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::byte* w = weight + i * weight_bytes_;
      std::byte* result = out + i * weight_bytes_;
      if (is_finite_element(job_.dtype, w) && is_finite_element(job_.dtype, result) &&
          is_finite_element(job_.delta_dtype, delta + i * delta_bytes_)) {
        continue;
      }
      std::memcpy(result, w, weight_bytes_);
      bad_.push_back(at + i);
      bad_elements_.add(first_index + i);
    }
  }
  if (scaling_.state == ScalingState::kZeroDelta) std::memcpy(out, weight, count * weight_bytes_);
}

void PieceEditor::edit(std::byte* weight, const std::byte* delta, std::uint64_t count,
                       std::uint64_t first_index) {
  for (std::uint64_t done = 0; done < count; done += kBlockElements) {
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(kBlockElements, count - done));
    std::byte* w = weight + done * weight_bytes_;
    bad_.clear();
    transform(w, delta + done * delta_bytes_, 0, part, first_index + done);
    std::memcpy(w, out_.data(), part * weight_bytes_);
  }
}

void PieceEditor::transform_block(const std::byte* weight, const std::byte* delta,
                                  std::uint64_t first, std::size_t count) {
  bad_.clear();
  if (job_.full_width()) {
    transform(weight, delta, 0, count, first);
    return;
  }
  // The block's elements lie in runs, one a row.
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t row = (first + done) / job_.covered_cols;
    const std::uint64_t col = (first + done) % job_.covered_cols;
    const auto run =
        static_cast<std::size_t>(std::min<std::uint64_t>(count - done, job_.covered_cols - col));
    transform(weight + done * weight_bytes_, delta + done * delta_bytes_, done, run,
              row * job_.cols + col);
    done += run;
  }
}

void PieceEditor::record_block(const std::byte* weight, const std::byte* delta, std::size_t count,
                               RecordCounts& counts, RecordSums& sums) {
  if (bad_.empty()) {
    record_(weight, delta, out_.data(), count, numbers_.parameter, counts, sums);
    return;
  }
  // As zeros they add nothing but themselves to the zero weights.
  std::vector<std::uint64_t> w(kBlockElements * weight_bytes_ / sizeof(std::uint64_t));
  std::vector<std::uint64_t> d(kBlockElements * delta_bytes_ / sizeof(std::uint64_t));
  std::vector<std::uint64_t> out = out_;
  std::memcpy(w.data(), weight, count * weight_bytes_);
  std::memcpy(d.data(), delta, count * delta_bytes_);
  const auto clear = [](std::vector<std::uint64_t>& block, std::size_t i, std::size_t bytes) {
    std::memset(static_cast<std::byte*>(static_cast<void*>(block.data())) + i * bytes, 0, bytes);
  };
  for (const std::size_t i : bad_) {
    clear(w, i, weight_bytes_);
    clear(d, i, delta_bytes_);
    clear(out, i, weight_bytes_);
  }
  record_(w.data(), d.data(), out.data(), count, numbers_.parameter, counts, sums);
  counts.zero_weights -= bad_.size();
  counts.nonfinite_kept += bad_.size();
}

PieceRecord PieceEditor::edit_and_record(std::byte* weight, const std::byte* delta,
                                         std::uint64_t first, std::uint64_t count) {
  PieceRecord piece;
  bad_elements_ = {};
  std::array<RecordSums, kMostPieceBlocks> sums;
  std::size_t blocks = 0;
  for (std::uint64_t done = 0; done < count; done += kBlockElements) {
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(kBlockElements, count - done));
    std::byte* w = weight + done * weight_bytes_;
    const std::byte* d = delta + done * delta_bytes_;
    transform_block(w, d, first + done, part);
    RecordCounts counts;
    record_block(w, d, part, counts, sums[blocks]);
    piece.counts = piece.counts + counts;
    std::memcpy(w, out_.data(), part * weight_bytes_);
    ++blocks;
  }
  piece.sums = fold_pairwise(sums.data(), blocks);
  piece.bad = bad_elements_;
  return piece;
}

BlockMoments piece_moments(const Kernels& kernels, DType dtype, const std::byte* elements,
                           std::uint64_t count) {
  const auto measure = kernels.moments[element_index(dtype)];
  const std::size_t bytes = editable_bytes(dtype);
  std::array<BlockMoments, kMostPieceBlocks> blocks;
  std::size_t filled = 0;
  for (std::uint64_t done = 0; done < count; done += kBlockElements) {
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(kBlockElements, count - done));
    blocks[filled++] = measure(elements + done * bytes, part);
  }
  return fold_pairwise(blocks.data(), filled);
}

}  // namespace contourfuse
