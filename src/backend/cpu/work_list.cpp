// The order in which workers take the pieces of a fuse.
#include "work_list.hpp"

#include <algorithm>

#include "contourfuse/core/dtype.hpp"

namespace contourfuse {

namespace {

// An eighth of the limits is left for everything else.
constexpr std::uint64_t kBufferBytes = std::uint64_t{56} << 20;
constexpr std::uint64_t kDirectBufferBytes = std::uint64_t{448} << 20;

}  // namespace

bool is_in_place(const FuseJob& job) noexcept {
  return job.read_method == ReadMethod::kDirect || job.write_direct;
}

std::uint64_t piece_elements(const FuseJob& job, int threads) {
  std::uint64_t weight = 2;
  std::uint64_t delta = 2;
  for (const MatrixJob& matrix : job.matrices) {
    weight = std::max(weight, editable_bytes(matrix.dtype));
    delta = std::max(delta, editable_bytes(matrix.delta_dtype));
  }
  const std::uint64_t block_bytes =
      static_cast<std::uint64_t>(threads) * kBlockElements * (weight + delta);
  const bool direct = is_in_place(job);
  std::uint64_t blocks = direct ? kDirectPieceBlocks : kPieceBlocks;
  const std::uint64_t most = direct ? kDirectBufferBytes : kBufferBytes;
  while (blocks > 1 && blocks * block_bytes > most) blocks /= 2;
  return blocks * kBlockElements;
}

std::uint64_t piece_count(std::uint64_t elements, std::uint64_t piece_elements) noexcept {
  return (elements + piece_elements - 1) / piece_elements;
}

WorkList::WorkList(const FuseJob& job, std::uint64_t piece_elements)
    : job_(job), piece_elements_(piece_elements) {
  if (!job.shards.empty()) offset_ = job.shards.front().begin;
}

std::uint64_t WorkList::step_end(Step step) const {
  if (step == Step::kMoments || step == Step::kRecord) return job_.matrices[matrix_].covered();
  if (step == Step::kEdit) {
    const MatrixJob& matrix = job_.matrices[matrix_];
    return matrix.offset + matrix.rows * matrix.cols * editable_bytes(matrix.dtype);
  }
  const bool more = matrix_ < job_.matrices.size() && job_.matrices[matrix_].shard == shard_;
  return more ? job_.matrices[matrix_].offset : job_.shards[shard_].bytes;
}

void WorkList::open_section() {
  const bool more = matrix_ < job_.matrices.size() && job_.matrices[matrix_].shard == shard_;
  piece_ = 0;
  if (more && job_.matrices[matrix_].offset == offset_) {
    const MatrixJob& matrix = job_.matrices[matrix_];
    editing_ = true;
    steps_ = {Step::kEdit};
    if (!matrix.full_width()) steps_.push_back(Step::kRecord);
    if (needs_moments(matrix, job_.numbers)) steps_.push_back(Step::kMoments);
  } else {
    editing_ = false;
    steps_ = {Step::kCopy};
  }
  at_ = steps_.back() == Step::kCopy || steps_.back() == Step::kEdit ? offset_ : 0;
}

std::optional<WorkItem> WorkList::next() {
  const std::lock_guard lock(mutex_);
  for (;;) {
    if (shard_ == job_.shards.size()) return std::nullopt;
    if (steps_.empty()) {
      const bool more = matrix_ < job_.matrices.size() && job_.matrices[matrix_].shard == shard_;
      if (offset_ == job_.shards[shard_].bytes && !more) {
        ++shard_;
        offset_ = shard_ < job_.shards.size() ? job_.shards[shard_].begin : 0;
        ticket_ = 0;
        continue;
      }
      open_section();
    }
    const Step step = steps_.back();
    const std::uint64_t end = step_end(step);
    if (at_ == end) {
      steps_.pop_back();
      piece_ = 0;
      if (!steps_.empty()) {
        at_ = steps_.back() == Step::kEdit ? offset_ : 0;
      } else {
        offset_ = end;
        if (editing_) ++matrix_;
      }
      continue;
    }
    const bool bytes = step == Step::kCopy || step == Step::kEdit;
    std::uint64_t size = piece_elements_;
    if (step == Step::kEdit) size *= editable_bytes(job_.matrices[matrix_].dtype);
    if (step == Step::kCopy) {
      // Up to a multiple of the size: whole blocks of the file.
      size = copy_bytes(piece_elements_);
      size -= at_ % size;
    }
    const std::uint64_t stop = at_ + std::min(size, end - at_);
    WorkItem item{step, shard_, matrix_, at_, stop, piece_, bytes ? ticket_ : 0};
    at_ = stop;
    ++piece_;
    if (bytes) ++ticket_;
    return item;
  }
}

}  // namespace contourfuse
