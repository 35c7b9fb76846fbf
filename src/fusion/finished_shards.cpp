// Counting down what is left of each shard.
#include "contourfuse/fusion/finished_shards.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace contourfuse {

FinishedShards::FinishedShards(const FuseJob& job, FuseResults& results)
    : job_(job),
      results_(results),
      left_(std::make_unique<std::atomic<std::size_t>[]>(job.shards.size())) {
  results_.matrices.resize(job.matrices.size());
  results_.shards.resize(job.shards.size());
  for (std::size_t i = 0; i < job.shards.size(); ++i) left_[i] = 1;
  for (const MatrixJob& matrix : job.matrices) ++left_[matrix.shard];
}

void FinishedShards::add_matrix(std::size_t matrix, MatrixResult result) {
  results_.matrices[matrix] = std::move(result);
  count_down(job_.matrices[matrix].shard);
}

void FinishedShards::add_shard(std::size_t shard, ShardResult result) {
  results_.shards[shard] = std::move(result);
  count_down(shard);
}

void FinishedShards::count_down(std::size_t shard) {
  if (--left_[shard] > 0 || !job_.on_shard) return;
  const auto of_shard = [](const MatrixJob& matrix) { return matrix.shard; };
  const auto first = std::ranges::lower_bound(job_.matrices, shard, {}, of_shard);
  const auto last = std::ranges::upper_bound(job_.matrices, shard, {}, of_shard);
  job_.on_shard(shard, results_.shards[shard],
                std::span(results_.matrices)
                    .subspan(static_cast<std::size_t>(first - job_.matrices.begin()),
                             static_cast<std::size_t>(last - first)));
}

}  // namespace contourfuse
