// Hashing and comparing in one read.
#include "fusion/shard_scan.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "contourfuse/io/hash.hpp"

namespace contourfuse {
namespace {

/// Large enough that a read costs its bytes and not its call; two of them fit a core's L2.
constexpr std::uint64_t kBufferBytes = 512U << 10;

std::span<std::byte> room(std::vector<std::byte>& buffer, std::uint64_t bytes) {
  if (buffer.empty()) buffer.resize(kBufferBytes);
  return std::span(buffer).first(std::min(bytes, kBufferBytes));
}

/// Longer readahead; what it returns does not matter.
void advise_sequential(const File& file) {
  static_cast<void>(::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_SEQUENTIAL));
}

/// Notes differences of [offset, offset + file.size()) in the segments that it touches; `next` is
/// the first segment that may.
void note_differences(std::uint64_t offset, std::span<const std::byte> file,
                      std::span<const std::byte> base, std::vector<Segment>& segments,
                      std::size_t& next) {
  const std::uint64_t end = offset + file.size();
  while (next < segments.size() && segments[next].bytes.end <= offset) ++next;
  if (std::memcmp(file.data(), base.data(), file.size()) == 0) return;
  for (std::size_t i = next; i < segments.size() && segments[i].bytes.begin < end; ++i) {
    Segment& segment = segments[i];
    if (segment.first_difference) continue;
    const std::uint64_t from = std::max(segment.bytes.begin, offset);
    const std::uint64_t to = std::min(segment.bytes.end, end);
    const std::span own = file.subspan(from - offset, to - from);
    const std::span other = base.subspan(from - offset, to - from);
    const auto difference = std::ranges::mismatch(own, other).in1;
    if (difference != own.end()) {
      segment.first_difference = from + static_cast<std::uint64_t>(difference - own.begin());
    }
  }
}

}  // namespace

std::vector<Segment> segments_of(const SafetensorsHeader& header) {
  std::vector<Segment> segments;
  segments.push_back({.bytes = {0, header.data_begin()}});
  for (const TensorInfo& tensor : header.tensors()) {
    if (tensor.end > tensor.begin) {
      segments.push_back({.tensor = tensor.name, .bytes = header.file_range(tensor)});
    }
  }
  return segments;
}

ShardScan scan_shard(const File& file, const File* base, const SafetensorsHeader* base_header,
                     ScanBuffers& buffers, const Execution& execution) {
  ShardScan scan;
  if (base != nullptr) scan.segments = segments_of(*base_header);
  advise_sequential(file);
  if (base != nullptr) advise_sequential(*base);
  Hash128 hash;
  Hash128 base_hash;
  std::size_t next = 0;
  const std::uint64_t bytes = file.size();
  for (std::uint64_t offset = 0; offset < bytes; offset += kBufferBytes) {
    execution.check_cancelled();
    const std::span own = room(buffers.file, bytes - offset);
    file.read(offset, own);
    hash.update(own);
    std::uint64_t moved = own.size();
    if (base != nullptr) {
      const std::span other = room(buffers.base, bytes - offset);
      base->read(offset, other);
      base_hash.update(other);
      note_differences(offset, own, other, scan.segments, next);
      moved += other.size();
    }
    execution.advance(moved);
  }
  scan.hash = hash.hex();
  if (base != nullptr) scan.base_hash = base_hash.hex();
  return scan;
}

std::string hash_range(const File& file, ByteRange range, ScanBuffers& buffers,
                       const Execution& execution) {
  Hash128 hash;
  for (std::uint64_t offset = range.begin; offset < range.end; offset += kBufferBytes) {
    execution.check_cancelled();
    const std::span piece = room(buffers.file, range.end - offset);
    file.read(offset, piece);
    hash.update(piece);
  }
  return hash.hex();
}

}  // namespace contourfuse
