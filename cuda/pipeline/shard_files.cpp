// The files of a run: reads, writes, and hashes in the order of each file.
#include "pipeline/shard_files.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>

namespace contourfuse::device {
namespace {

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
    : execution_(execution),
      stop_(stop),
      readers_(job.read_method),
      shards_(job, readers_, finished) {
  for (const MatrixJob& matrix : job.matrices) {
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
  read_file(shards_.source(shard), offset, out);
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
  BulkWriter* const target = shards_.target(shard);
  if (target != nullptr) put(*target, offset, bytes, which);
  shards_.pass_target(shard, ticket, offset + bytes.size(), bytes, [] {});
  execution_.advance(bytes.size());
}

void ShardFiles::add_transfers(FuseResults& results) const {
  shards_.add_transfers(results);
  results.delta_bytes_read = delta_bytes_;
  results.bytes_read = source_bytes_ + delta_bytes_;
}

}  // namespace contourfuse::device
