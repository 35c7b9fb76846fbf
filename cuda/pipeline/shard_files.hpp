// The files of a run: reads, writes, and hashes in the order of each file.
#pragma once

#include <tbb/enumerable_thread_specific.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/finished_shards.hpp"
#include "contourfuse/fusion/shard_passages.hpp"
#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/bulk_writer.hpp"
#include "contourfuse/io/page_buffer.hpp"
#include "pipeline/stop.hpp"

namespace contourfuse::device {

/// Thread-safe.
///
/// Workers wait for each other at the turnstiles only, and cannot lock each other up: a worker
/// takes sections in the order of the files, feeds them in that order and drains them in that
/// order. The first window of the run that has not passed yet therefore waits for nothing but its
/// own worker's buffers and slots, of which no other worker has any; and those are held by windows
/// before it, which have passed, or by transfers, which end by themselves.
class ShardFiles final : public WaitingPlace {
 public:
  ShardFiles(const FuseJob& job, const Execution& execution, Stop& stop, FinishedShards& finished);
  ~ShardFiles() { stop_.dismiss(*this); }

  void read_source(std::size_t shard, std::uint64_t offset, std::span<std::byte> out);
  void read_delta(const MatrixJob& matrix, std::uint64_t first, std::span<std::byte> out);
  enum class Bytes : std::uint8_t { kOfTheSource, kEdited };
  /// Waits for the turn of `ticket`, then hashes what was read.
  void pass_source(std::size_t shard, std::uint64_t ticket, std::span<const std::byte> bytes) {
    shards_.pass_source(shard, ticket, bytes);
  }
  /// Writes or copies, waits for the turn of `ticket`, hashes.
  void write_target(std::size_t shard, std::uint64_t offset, std::uint64_t ticket,
                    std::span<std::byte> bytes, Bytes which);
  /// Shards without bytes, of which no worker writes the last one.
  void finish_empty() { shards_.finish_empty(); }
  void abandon() override { shards_.abandon(); }
  /// After the run: byte counts, and what was refused.
  void add_transfers(FuseResults& results) const;

 private:
  /// This thread's room for `bytes` of a file from `offset`.
  std::span<std::byte> bounce(std::uint64_t offset, std::size_t bytes);
  void read_file(const BulkReader& reader, std::uint64_t offset, std::span<std::byte> out);
  void put(BulkWriter& target, std::uint64_t offset, std::span<std::byte> bytes, Bytes which);

  const Execution& execution_;
  Stop& stop_;
  BulkReaders readers_;
  tbb::enumerable_thread_specific<PageBuffer> bounces_{};  // for transfers past the page cache
  ShardPassages shards_;
  std::atomic<std::uint64_t> source_bytes_ = 0;
  std::atomic<std::uint64_t> delta_bytes_ = 0;
};

}  // namespace contourfuse::device
