// The order in which workers take the pieces of a fuse.
#include "work_list.hpp"

#include <algorithm>

#include "contourfuse/core/dtype.hpp"

namespace contourfuse {

std::uint64_t piece_count(std::uint64_t elements) noexcept {
  return (elements + kPieceElements - 1) / kPieceElements;
}

WorkList::WorkList(const FuseJob& job) : job_(job) {
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
    std::uint64_t size = kPieceElements;
    if (step == Step::kCopy) size = kCopyBytes;
    if (step == Step::kEdit) size *= editable_bytes(job_.matrices[matrix_].dtype);
    const std::uint64_t stop = at_ + std::min(size, end - at_);
    WorkItem item{step, shard_, matrix_, at_, stop, piece_, bytes ? ticket_ : 0};
    at_ = stop;
    ++piece_;
    if (bytes) ++ticket_;
    return item;
  }
}

}  // namespace contourfuse
