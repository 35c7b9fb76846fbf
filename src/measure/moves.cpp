// Ranges that threads move one after the other.
#include "moves.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>

namespace contourfuse {
namespace {

// Of the fuser: bytes of a transfer through the page cache and past it, and bytes after which
// writeback starts.
constexpr std::uint64_t kBufferedBytes = std::uint64_t{512} << 10;
constexpr std::uint64_t kDirectBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;

}  // namespace

Moves::Moves(const TrafficSettings& settings)
    : piece_bytes_(settings.write_direct || settings.read_method == ReadMethod::kDirect
                       ? kDirectBytes
                       : kBufferedBytes) {}

void Moves::add(Move first, std::uint64_t bytes) {
  while (bytes > 0) {
    const std::uint64_t part = std::min(bytes, piece_bytes_);
    pieces_.push_back({first, part});
    first.offset += part;
    bytes -= part;
  }
}

void Moves::work(const Piece& piece, PageBuffer& buffer) {
  const auto& [source, target, offset] = piece.move;
  const std::span<std::byte> bytes = buffer.place(offset, piece.bytes);
  if (source != nullptr) source->read_in_place(offset, bytes);
  if (target.writer == nullptr) return;
  target.writer->write(offset, bytes);
  const std::uint64_t end = offset + piece.bytes;
  if (target.writeback != nullptr && end / kWritebackBytes > offset / kWritebackBytes) {
    target.writeback->start_writeback(end - kWritebackBytes, kWritebackBytes);
  }
}

void Moves::run(const Execution& execution) const {
  const int threads = execution.thread_count();
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  std::atomic<std::size_t> next{0};
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(
        0, threads, 1,
        [&](int) {
          PageBuffer buffer(piece_bytes_);
          for (std::size_t i = next++; i < pieces_.size(); i = next++) {
            execution.check_cancelled();
            const auto& [move, bytes] = pieces_[i];
            work(pieces_[i], buffer);
            if (move.source != nullptr) execution.advance(bytes);
            if (move.target.writer != nullptr) execution.advance(bytes);
          }
        },
        tbb::simple_partitioner());
  });
}

}  // namespace contourfuse
