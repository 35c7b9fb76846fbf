// The queue that all workers take their work from.
#include "pipeline/sections.hpp"

#include <algorithm>

#include "pipeline/tiles.hpp"

namespace contourfuse::device {
namespace {

bool is_empty(const MatrixJob& matrix) { return matrix.rows == 0 || matrix.cols == 0; }

}  // namespace

SectionQueue::SectionQueue(const FuseJob& job, std::uint64_t slot_bytes)
    : job_(job), slot_bytes_(slot_bytes) {
  if (!job.shards.empty()) offset_ = job.shards.front().begin;
}

bool SectionQueue::skip_what_is_done() {
  while (shard_ < job_.shards.size()) {
    const bool more = matrix_ < job_.matrices.size() && job_.matrices[matrix_].shard == shard_;
    if (more && is_empty(job_.matrices[matrix_])) {
      ++matrix_;
    } else if (more || offset_ < job_.shards[shard_].bytes) {
      return true;
    } else {
      ++shard_;
      offset_ = shard_ < job_.shards.size() ? job_.shards[shard_].begin : 0;
      ticket_ = 0;
    }
  }
  return false;
}

std::optional<Section> SectionQueue::next(std::uint64_t tile_elements) {
  const std::lock_guard lock(mutex_);
  if (!skip_what_is_done()) return std::nullopt;
  const bool more = matrix_ < job_.matrices.size() && job_.matrices[matrix_].shard == shard_;
  Section section{.shard = shard_, .begin = offset_, .ticket = ticket_};
  if (more && job_.matrices[matrix_].offset == offset_) {
    const MatrixJob& matrix = job_.matrices[matrix_];
    section.matrix = matrix_++;
    section.end = offset_ + matrix.rows * matrix.cols * editable_bytes(matrix.dtype);
    ticket_ += window_count(matrix, tile_elements, slot_bytes_);
  } else {
    const std::uint64_t end = more ? job_.matrices[matrix_].offset : job_.shards[shard_].bytes;
    section.end = offset_ + std::min(kPlainSlots * slot_bytes_, end - offset_);
    ticket_ += (section.end - section.begin + slot_bytes_ - 1) / slot_bytes_;
  }
  offset_ = section.end;
  return section;
}

}  // namespace contourfuse::device
