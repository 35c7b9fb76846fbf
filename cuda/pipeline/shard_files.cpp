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
// What a drive wants that is read and written past the page cache.
constexpr std::uint64_t kDirectPieceBytes = std::uint64_t{4} << 20;

/// move(begin, end) for pieces of [0, bytes), each a multiple of 64 bytes but the last one.
template <class Move>
void move_in_pieces(std::uint64_t bytes, std::uint64_t piece_bytes, Move move) {
  if (bytes <= piece_bytes) {
    move(std::uint64_t{0}, bytes);
    return;
  }
  const std::uint64_t pieces = (bytes + piece_bytes - 1) / piece_bytes;
  tbb::parallel_for(std::uint64_t{0}, pieces, [&](std::uint64_t piece) {
    move(piece * piece_bytes, std::min(bytes, (piece + 1) * piece_bytes));
  });
}

}  // namespace

ShardFiles::ShardFiles(const FuseJob& job, const Execution& execution, Stop& stop,
                       FinishedShards& finished)
    : job_(job),
      execution_(execution),
      stop_(stop),
      finished_(finished),
      readers_(job.read_method) {
  for (const ShardJob& shard : job.shards) {
    Shard& state = *shards_.emplace_back(std::make_unique<Shard>());
    state.source = &readers_.of(*shard.source, shard.bytes);
    if (shard.target != nullptr) {
      state.target.emplace(*shard.source, *shard.target, shard.bytes, shard.copying,
                           job.write_direct);
    }
  }
  for (const MatrixJob& matrix : job.matrices) {
    shards_[matrix.shard]->edited = true;
    const auto place = matrix.delta->place();
    if (place) static_cast<void>(readers_.of(*place->file, place->file->size()));
  }
  stop_.enlist(*this);
}

std::span<std::byte> ShardFiles::bounce(std::uint64_t offset, std::size_t bytes) {
  PageBuffer& buffer = bounces_.local();
  if (buffer.size() == 0) buffer = PageBuffer(kDirectPieceBytes);
  return buffer.place(offset, bytes);
}

void ShardFiles::read_file(const BulkReader& reader, std::uint64_t offset,
                           std::span<std::byte> out) {
  execution_.pace(out.size());
  const std::uint64_t piece_bytes = reader.direct() ? kDirectPieceBytes : kPieceBytes;
  move_in_pieces(out.size(), piece_bytes, [&](std::uint64_t begin, std::uint64_t end) {
    const std::span<std::byte> piece = out.subspan(begin, end - begin);
    if (!reader.direct()) {
      reader.read(offset + begin, piece);
      return;
    }
    const std::span<std::byte> aside = bounce(offset + begin, piece.size());
    reader.read_in_place(offset + begin, aside);
    std::ranges::copy(aside, piece.begin());
  });
}

void ShardFiles::read_source(std::size_t shard, std::uint64_t offset, std::span<std::byte> out) {
  read_file(*shards_[shard]->source, offset, out);
  source_bytes_ += out.size();
}

void ShardFiles::read_delta(const MatrixJob& matrix, std::uint64_t first,
                            std::span<std::byte> out) {
  const std::uint64_t element = editable_bytes(matrix.delta_dtype);
  if (const auto place = matrix.delta->place()) {
    read_file(readers_.known(*place->file), place->offset + first * element, out);
  } else {
    if (matrix.delta->stored()) execution_.pace(out.size());
    move_in_pieces(out.size(), kPieceBytes, [&](std::uint64_t begin, std::uint64_t end) {
      matrix.delta->read(first + begin / element, out.subspan(begin, end - begin));
    });
  }
  if (matrix.delta->stored()) delta_bytes_ += out.size();
}

void ShardFiles::pass_source(std::size_t shard, std::uint64_t ticket,
                             std::span<const std::byte> bytes) {
  Shard& of = *shards_[shard];
  of.source_turn.enter(ticket, [&] { of.source_hash.update(bytes); });
}

void ShardFiles::put(BulkWriter& target, std::uint64_t offset, std::span<std::byte> bytes,
                     Bytes which) {
  const bool copied = which == Bytes::kOfTheSource;
  if (!copied || !target.copies_by_itself()) execution_.pace(bytes.size());
  const std::uint64_t piece_bytes = target.in_place() ? kDirectPieceBytes : kPieceBytes;
  move_in_pieces(bytes.size(), piece_bytes, [&](std::uint64_t begin, std::uint64_t end) {
    std::span<std::byte> piece = bytes.subspan(begin, end - begin);
    if (target.in_place()) {
      const std::span<std::byte> aside = bounce(offset + begin, piece.size());
      std::ranges::copy(piece, aside.begin());
      piece = aside;
    }
    if (copied) {
      target.copy(offset + begin, piece);
    } else {
      target.write(offset + begin, piece);
    }
  });
}

void ShardFiles::write_target(std::size_t shard, std::uint64_t offset, std::uint64_t ticket,
                              std::span<std::byte> bytes, Bytes which) {
  Shard& of = *shards_[shard];
  File* const target = job_.shards[shard].target;
  if (target != nullptr) put(*of.target, offset, bytes, which);
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
  if (end == job_.shards[shard].bytes) finish(shard);
}

void ShardFiles::finish(std::size_t shard) {
  Shard& of = *shards_[shard];
  if (of.target) of.target->finish();
  ShardResult result;
  result.source_hash = of.source_hash.hex();
  result.target_hash = of.edited ? of.target_hash.hex() : result.source_hash;
  finished_.add_shard(shard, std::move(result));
}

void ShardFiles::finish_empty() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (job_.shards[i].begin == job_.shards[i].bytes) finish(i);
  }
}

void ShardFiles::abandon() {
  for (const auto& shard : shards_) {
    shard->source_turn.abandon();
    shard->target_turn.abandon();
  }
}

void ShardFiles::add_transfers(FuseResults& results) const {
  const File* refused_target = nullptr;
  for (const auto& of : shards_) {
    if (!of->target) continue;
    results.bytes_written += of->target->written();
    results.bytes_cloned += of->target->cloned();
    if (of->target->refused()) refused_target = &of->target->target();
  }
  results.delta_bytes_read = delta_bytes_;
  results.bytes_read = source_bytes_ + delta_bytes_;
  note_refusals(results, readers_.refused(), refused_target);
}

}  // namespace contourfuse::device
