// The shards of a running job: their files, and their hashes in the order of their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/finished_shards.hpp"
#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/bulk_writer.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/turnstile.hpp"

namespace contourfuse {

/// For backends, which read and write the pieces of a shard in any order and from any thread. The
/// pieces have tickets, 0, 1, … in the order of the file; with its ticket a piece passes twice, as
/// it was read and as it is in the target. Thread-safe. Whoever waits for a turn throws Abandoned
/// after abandon().
class ShardPassages {
 public:
  /// All of them outlive it.
  ShardPassages(const FuseJob& job, BulkReaders& readers, FinishedShards& finished);

  [[nodiscard]] const BulkReader& source(std::size_t shard) const {
    return *shards_[shard]->source;
  }
  /// Null if nothing is written.
  [[nodiscard]] BulkWriter* target(std::size_t shard) {
    std::optional<BulkWriter>& target = shards_[shard]->target;
    return target ? &*target : nullptr;
  }

  /// Waits for the turn of `ticket`, then hashes what was read.
  void pass_source(std::size_t shard, std::uint64_t ticket, std::span<const std::byte> bytes);
  /// After `bytes`, which end at byte `end` of the shard, were written: waits for the turn of
  /// `ticket`, hashes them and calls `also()`. The last ones finish the shard.
  template <class Also>
  void pass_target(std::size_t shard, std::uint64_t ticket, std::uint64_t end,
                   std::span<const std::byte> bytes, Also also) {
    Shard& of = *shards_[shard];
    Unflushed unflushed;
    of.target_turn.enter(ticket, [&] {
      if (of.edited) of.target_hash.update(bytes);
      also();
      unflushed = take_unflushed(of, end);
    });
    flush(shard, unflushed);
    if (end == job_.shards[shard].bytes) finish(shard);
  }
  /// Shards without bytes, of which no last one passes.
  void finish_empty();

  void abandon();
  /// After the run: bytes that were written and cloned, and what was refused.
  void add_transfers(FuseResults& results) const;

 private:
  struct Shard {
    const BulkReader* source = nullptr;
    std::optional<BulkWriter> target{};
    bool edited = false;
    Turnstile source_turn{};
    Turnstile target_turn{};
    Hash128 source_hash{};
    Hash128 target_hash{};
    std::uint64_t written_back = 0;  // under target_turn
  };
  /// A range of the target of which writeback is to start; empty while there is too little.
  struct Unflushed {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
  };
  static Unflushed take_unflushed(Shard& shard, std::uint64_t end);
  void flush(std::size_t shard, const Unflushed& range);
  void finish(std::size_t shard);

  const FuseJob& job_;
  BulkReaders& readers_;
  FinishedShards& finished_;
  std::vector<std::unique_ptr<Shard>> shards_{};
};

}  // namespace contourfuse
