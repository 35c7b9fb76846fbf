// Reads by the three methods.
#include "contourfuse/io/bulk_reader.hpp"

namespace contourfuse {

BulkReader::BulkReader(const File& file, std::uint64_t bytes, ReadMethod method) : file_(file) {
  if (method == ReadMethod::kMmap) mapping_.emplace(file, bytes);
  if (method == ReadMethod::kDirect) {
    direct_ = file.open_direct(File::Access::kRead);
    refused_ = !direct_;
  }
}

void BulkReader::read(std::uint64_t offset, std::span<std::byte> out) const {
  // The size after the copy: the last page of a truncated file ends in zeros.
  if (mapping_ && mapping_->copy(offset, out) && file_.size() >= offset + out.size()) return;
  // What the mapping cannot give, reading gives, or says why not.
  file_.read(offset, out);
}

void BulkReader::read_in_place(std::uint64_t offset, std::span<std::byte> out) const {
  if (!direct()) {
    read(offset, out);
    return;
  }
  const std::uint64_t end = offset + out.size();
  std::uint64_t at = block_down(offset);
  std::byte* to = out.data() - (offset - at);
  while (at < end) {
    // A file's last block comes short; after another short transfer its block is read again.
    const auto moved = direct_->read_some(at, {to, block_up(end) - at});
    if (!moved) {
      refused_ = true;
      read(offset, out);
      return;
    }
    const std::uint64_t there = at + *moved;
    if (there >= end) return;
    if (block_down(there) == at) {
      // The file ends here, or the next transfer would begin amid a block.
      read(offset, out);
      return;
    }
    to += block_down(there) - at;
    at = block_down(there);
  }
}

const BulkReader& BulkReaders::of(const File& file, std::uint64_t bytes) {
  return readers_.try_emplace(&file, file, bytes, method_).first->second;
}

const File* BulkReaders::refused() const noexcept {
  for (const auto& [file, reader] : readers_) {
    if (reader.refused()) return file;
  }
  return nullptr;
}

}  // namespace contourfuse
