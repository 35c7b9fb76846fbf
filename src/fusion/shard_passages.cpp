// The shards of a running job: their files, and their hashes in the order of their bytes.
#include "contourfuse/fusion/shard_passages.hpp"

#include <algorithm>
#include <utility>

namespace contourfuse {
namespace {

// Early writeback: the final fsync then has little left to wait for.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;

}  // namespace

ShardPassages::ShardPassages(const FuseJob& job, BulkReaders& readers, FinishedShards& finished)
    : job_(job), readers_(readers), finished_(finished) {
  for (const ShardJob& shard : job.shards) {
    Shard& state = *shards_.emplace_back(std::make_unique<Shard>());
    state.source = &readers.of(*shard.source, shard.bytes);
    if (shard.target != nullptr) {
      state.target.emplace(*shard.source, *shard.target, shard.bytes, shard.copying,
                           job.write_direct);
    }
  }
  for (const MatrixJob& matrix : job.matrices) shards_[matrix.shard]->edited = true;
}

void ShardPassages::pass_source(std::size_t shard, std::uint64_t ticket,
                                std::span<const std::byte> bytes) {
  Shard& of = *shards_[shard];
  of.source_turn.enter(ticket, [&] { of.source_hash.update(bytes); });
}

ShardPassages::Unflushed ShardPassages::take_unflushed(Shard& shard, std::uint64_t end) {
  const std::uint64_t begin = shard.written_back;
  if (end - begin < kWritebackBytes) return {};
  shard.written_back = end;
  return {begin, end - begin};
}

void ShardPassages::flush(std::size_t shard, const Unflushed& range) {
  File* const target = job_.shards[shard].target;
  if (target == nullptr || !job_.durable || range.bytes == 0) return;
  target->start_writeback(range.begin, range.bytes);
}

void ShardPassages::finish(std::size_t shard) {
  Shard& of = *shards_[shard];
  if (of.target) of.target->finish();
  ShardResult result;
  result.source_hash = of.source_hash.hex();
  result.target_hash = of.edited ? of.target_hash.hex() : result.source_hash;
  finished_.add_shard(shard, std::move(result));
}

void ShardPassages::finish_empty() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (job_.shards[i].begin == job_.shards[i].bytes) finish(i);
  }
}

void ShardPassages::abandon() {
  for (const auto& shard : shards_) {
    shard->source_turn.abandon();
    shard->target_turn.abandon();
  }
}

void ShardPassages::add_transfers(FuseResults& results) const {
  const File* refused_target = nullptr;
  for (const auto& shard : shards_) {
    if (!shard->target) continue;
    results.bytes_written += shard->target->written();
    results.bytes_cloned += shard->target->cloned();
    if (shard->target->refused()) refused_target = &shard->target->target();
  }
  note_refusals(results, readers_.refused(), refused_target);
}

}  // namespace contourfuse
