// Pieces written, cloned or copied.
#include "contourfuse/io/bulk_writer.hpp"

namespace contourfuse {

BulkWriter::BulkWriter(const File& source, File& target, std::uint64_t bytes, CopyMethod copying,
                       bool direct)
    : source_(source), target_(target), copying_(copying) {
  if (direct) direct_.emplace(target, bytes);
}

void BulkWriter::write(std::uint64_t offset, std::span<std::byte> piece) {
  if (direct_) {
    direct_->write(offset, piece);
  } else {
    target_.write(offset, piece);
  }
  written_ += piece.size();
}

void BulkWriter::copy(std::uint64_t offset, std::span<std::byte> piece) {
  switch (copying_.load()) {
    case CopyMethod::kWrite:
      break;
    case CopyMethod::kCloned:
      if (direct_) direct_->keep(offset, piece);
      cloned_ += piece.size();
      return;
    case CopyMethod::kCopyRange:
      // A block that is shared with written bytes would miss what the server copied.
      if (!direct_ && copy_range(source_, target_, offset, piece.size())) {
        cloned_ += piece.size();
        return;
      }
      copying_ = CopyMethod::kWrite;  // refused once, it will be again
      break;
  }
  write(offset, piece);
}

void BulkWriter::finish() {
  if (direct_) direct_->finish();
}

}  // namespace contourfuse
