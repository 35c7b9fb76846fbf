// The files of a run: reads, writes, and hashes in the order of each file.
#include "pipeline/shard_files.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>

namespace contourfuse::device {
namespace {

// Early writeback: the final fsync then has little left to wait for.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;
// What one thread reads or writes at a time: one thread alone is slower than the device's bus.
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

/// move(begin, end) for pieces of [0, bytes), each a multiple of 64 bytes but the last one.
template <class Move>
void move_in_pieces(std::uint64_t bytes, Move move) {
  if (bytes <= kPieceBytes) {
    move(std::uint64_t{0}, bytes);
    return;
  }
  const std::uint64_t pieces = (bytes + kPieceBytes - 1) / kPieceBytes;
  tbb::parallel_for(std::uint64_t{0}, pieces, [&](std::uint64_t piece) {
    move(piece * kPieceBytes, std::min(bytes, (piece + 1) * kPieceBytes));
  });
}

}  // namespace

ShardFiles::ShardFiles(const FuseJob& job, const Execution& execution, Stop& stop)
    : job_(job), execution_(execution), stop_(stop) {
  for (const ShardJob& shard : job.shards) {
    shards_.push_back(std::make_unique<Shard>());
    if (job.map_sources) shards_.back()->mapping.emplace(*shard.source, shard.bytes);
  }
  for (const MatrixJob& matrix : job.matrices) shards_[matrix.shard]->edited = true;
  stop_.enlist(*this);
}

void ShardFiles::read_source(std::size_t shard, std::uint64_t offset, std::span<std::byte> out) {
  const auto& mapping = shards_[shard]->mapping;
  const File& source = *job_.shards[shard].source;
  move_in_pieces(out.size(), [&](std::uint64_t begin, std::uint64_t end) {
    const std::span<std::byte> piece = out.subspan(begin, end - begin);
    if (mapping) {
      std::ranges::copy(mapping->bytes().subspan(offset + begin, piece.size()), piece.begin());
    } else {
      source.read(offset + begin, piece);
    }
  });
  source_bytes_ += out.size();
}

void ShardFiles::read_delta(const MatrixJob& matrix, std::uint64_t first,
                            std::span<std::byte> out) {
  const std::uint64_t element = editable_bytes(matrix.delta_dtype);
  move_in_pieces(out.size(), [&](std::uint64_t begin, std::uint64_t end) {
    matrix.delta->read(first + begin / element, out.subspan(begin, end - begin));
  });
  if (matrix.delta->stored()) delta_bytes_ += out.size();
}

void ShardFiles::pass_source(std::size_t shard, std::uint64_t ticket,
                             std::span<const std::byte> bytes) {
  Shard& of = *shards_[shard];
  of.source_turn.enter(ticket, [&] { of.source_hash.update(bytes); });
}

void ShardFiles::write_target(std::size_t shard, std::uint64_t offset, std::uint64_t ticket,
                              std::span<const std::byte> bytes) {
  Shard& of = *shards_[shard];
  File* const target = job_.shards[shard].target;
  if (target != nullptr) {
    move_in_pieces(bytes.size(), [&](std::uint64_t begin, std::uint64_t end) {
      target->write(offset + begin, bytes.subspan(begin, end - begin));
    });
  }
  const std::uint64_t end = offset + bytes.size();
  std::uint64_t flush_from = 0;
  std::uint64_t flush_bytes = 0;
  of.target_turn.enter(ticket, [&] {
    if (of.edited) of.target_hash.update(bytes);
    if (end - of.written_back >= kWritebackBytes) {
      flush_from = of.written_back;
      flush_bytes = end - of.written_back;
      of.written_back = end;
    }
  });
  if (target != nullptr && job_.durable && flush_bytes > 0) {
    target->start_writeback(flush_from, flush_bytes);
  }
  execution_.advance(bytes.size());
}

void ShardFiles::abandon() {
  for (const auto& shard : shards_) {
    shard->source_turn.abandon();
    shard->target_turn.abandon();
  }
}

void ShardFiles::add_to(FuseResults& results) const {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    ShardResult shard;
    shard.source_hash = shards_[i]->source_hash.hex();
    shard.target_hash = shards_[i]->edited ? shards_[i]->target_hash.hex() : shard.source_hash;
    results.shards.push_back(std::move(shard));
    results.bytes_written += job_.shards[i].target != nullptr ? job_.shards[i].bytes : 0;
  }
  results.delta_bytes_read = delta_bytes_;
  results.bytes_read = source_bytes_ + delta_bytes_;
}

}  // namespace contourfuse::device
