// Pieces cut into whole blocks and shared ones.
#include "contourfuse/io/direct_writer.hpp"

#include <algorithm>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

DirectWriter::DirectWriter(File& target, std::uint64_t bytes)
    : target_(target), bytes_(bytes), direct_(target.open_direct(File::Access::kWrite)) {
  refused_ = !direct_;
}

void DirectWriter::write(std::uint64_t offset, std::span<std::byte> piece) {
  if (direct_) {
    pass(offset, piece, true);
  } else {
    target_.write(offset, piece);
  }
}

void DirectWriter::keep(std::uint64_t offset, std::span<std::byte> piece) {
  if (direct_) pass(offset, piece, false);
}

void DirectWriter::pass(std::uint64_t offset, std::span<std::byte> piece, bool written) {
  if (piece.empty()) return;
  const std::uint64_t end = offset + piece.size();
  const std::uint64_t head = block_down(offset);
  const std::uint64_t tail = block_down(end);
  std::byte* const first = piece.data() - (offset - head);
  // Whole blocks [from, to), with the shared ones beside them that are complete now.
  std::uint64_t from = written ? block_up(offset) : 0;
  std::uint64_t to = written ? std::max(from, tail) : 0;
  const auto take = [&](std::uint64_t block, std::uint64_t part_begin, std::uint64_t part_end) {
    if (settle(part_begin, part_end, first + (block - head), written) != Shared::kWrite) return;
    if (!written) {
      write_blocks(block, block + kDirectBlock, first + (block - head));
      return;
    }
    from = std::min(from, block);
    to = std::max(to, block + kDirectBlock);
  };
  if (offset != head) take(head, offset, std::min(end, head + kDirectBlock));
  if (end != tail && (tail != head || offset == head)) take(tail, std::max(offset, tail), end);
  if (written && from < to) write_blocks(from, to, first + (from - head));
}

/// Adds the bytes [begin, end) of one block, whose memory starts at `first`. If they were the last
/// ones, the memory then holds the whole block, zeros after the file's end.
DirectWriter::Shared DirectWriter::settle(std::uint64_t begin, std::uint64_t end, std::byte* first,
                                          bool written) {
  const std::uint64_t block = block_down(begin);
  const std::uint64_t wanted = std::min<std::uint64_t>(kDirectBlock, bytes_ - block);
  const std::span<std::byte> memory(first, kDirectBlock);
  const std::span<std::byte> part = memory.subspan(begin - block, end - begin);
  const std::lock_guard lock(mutex_);
  SharedBlock& shared = shared_[block];
  std::ranges::copy(part, shared.bytes.begin() + static_cast<std::ptrdiff_t>(begin - block));
  shared.filled += part.size();
  shared.written |= written;
  if (shared.filled < wanted) return Shared::kWaits;
  const bool any = shared.written;
  if (any) std::ranges::copy(shared.bytes, memory.begin());
  shared_.erase(block);
  return any ? Shared::kWrite : Shared::kKeep;
}

void DirectWriter::write_blocks(std::uint64_t begin, std::uint64_t end, const std::byte* first) {
  // The file's last bytes may fill no block: written whole, it would lengthen the file until
  // someone cut it off, and a killed run would not.
  const std::uint64_t last_block = std::min(end, block_down(bytes_));
  while (begin < last_block && !refused_) {
    const auto moved = direct_->write_some(begin, {first, last_block - begin});
    if (!moved) {
      refused_ = true;
      break;
    }
    // What comes after a short transfer may stand askew: its block is written again.
    const std::uint64_t whole = block_down(*moved);
    if (whole == 0) refused_ = true;
    begin += whole;
    first += whole;
  }
  const std::uint64_t stop = std::min(end, bytes_);
  if (begin < stop) target_.write(begin, {first, stop - begin});
}

void DirectWriter::finish() {
  if (!shared_.empty()) {
    const auto& [block, shared] = *shared_.begin();
    throw Error(Failure::kFailed, "internal", "a block was not written whole",
                {.file = target_.path().string(),
                 .bytes = ByteRange{block, std::min(block + kDirectBlock, bytes_)}});
  }
}

}  // namespace contourfuse
