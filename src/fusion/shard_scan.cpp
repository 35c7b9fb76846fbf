// Hashing and comparing in one read.
#include "fusion/shard_scan.hpp"

#include <fcntl.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <span>
#include <utility>

#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/turnstile.hpp"

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

/// Threads read and compare pieces side by side, and hash them one after the other.
class Scan {
 public:
  Scan(const File& file, const File* base, const SafetensorsHeader* base_header,
       const Execution& execution)
      : file_(file), base_(base), execution_(execution), bytes_(file.size()) {
    if (base != nullptr) scan_.segments = segments_of(*base_header);
    advise_sequential(file);
    if (base != nullptr) advise_sequential(*base);
  }

  ShardScan run() {
    const std::uint64_t pieces = (bytes_ + kBufferBytes - 1) / kBufferBytes;
    const auto workers = static_cast<int>(
        std::min<std::uint64_t>(pieces, static_cast<std::uint64_t>(execution_.thread_count())));
    tbb::parallel_for(
        0, workers, 1, [this](int) { work(); }, tbb::simple_partitioner());
    if (failure_) std::rethrow_exception(failure_);
    scan_.hash = hash_.hex();
    if (base_ != nullptr) scan_.base_hash = base_hash_.hex();
    return std::move(scan_);
  }

 private:
  void work() {
    try {
      ScanBuffers buffers;
      for (;;) {
        const std::uint64_t piece = next_++;
        if (piece * kBufferBytes >= bytes_) return;
        execution_.check_cancelled();
        scan(piece, buffers);
      }
    } catch (const Abandoned&) {
      // The thread that failed has said why.
    } catch (...) {
      {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      turn_.abandon();
    }
  }

  void scan(std::uint64_t piece, ScanBuffers& buffers) {
    const std::uint64_t offset = piece * kBufferBytes;
    const std::span own = room(buffers.file, bytes_ - offset);
    execution_.pace(base_ != nullptr ? 2 * own.size() : own.size());
    file_.read(offset, own);
    std::span<std::byte> other;
    if (base_ != nullptr) {
      other = room(buffers.base, bytes_ - offset);
      base_->read(offset, other);
    }
    const bool differs = base_ != nullptr && std::memcmp(own.data(), other.data(), own.size()) != 0;
    turn_.enter(piece, [&] {
      hash_.update(own);
      if (base_ != nullptr) base_hash_.update(other);
      if (differs) note_differences(offset, own, other);
    });
    execution_.advance(own.size() + other.size());
  }

  /// Of [offset, offset + file.size()), in the segments that it touches.
  void note_differences(std::uint64_t offset, std::span<const std::byte> file,
                        std::span<const std::byte> base) {
    std::vector<Segment>& segments = scan_.segments;
    const std::uint64_t end = offset + file.size();
    while (segment_ < segments.size() && segments[segment_].bytes.end <= offset) ++segment_;
    for (std::size_t i = segment_; i < segments.size() && segments[i].bytes.begin < end; ++i) {
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

  const File& file_;
  const File* base_;
  const Execution& execution_;
  std::uint64_t bytes_;
  std::atomic<std::uint64_t> next_{0};
  Turnstile turn_{};
  // What follows is changed in turn.
  ShardScan scan_{};
  Hash128 hash_{};
  Hash128 base_hash_{};
  std::size_t segment_ = 0;  // the first that may differ
  std::mutex mutex_{};
  std::exception_ptr failure_{};
};

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
                     const Execution& execution) {
  return Scan(file, base, base_header, execution).run();
}

std::string hash_range(const File& file, ByteRange range, ScanBuffers& buffers,
                       const Execution& execution) {
  Hash128 hash;
  for (std::uint64_t offset = range.begin; offset < range.end; offset += kBufferBytes) {
    execution.check_cancelled();
    const std::span piece = room(buffers.file, range.end - offset);
    execution.pace(piece.size());
    file.read(offset, piece);
    hash.update(piece);
  }
  return hash.hex();
}

}  // namespace contourfuse
