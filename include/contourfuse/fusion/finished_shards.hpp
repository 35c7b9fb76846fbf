// When a shard of a running job is whole.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

/// For backends: takes the results of matrices and shards in any order and from any thread, and
/// tells FuseJob::on_shard of each shard whose bytes are written and whose matrices are done.
class FinishedShards {
 public:
  /// Makes room in `results` for all of the job. Both outlive it.
  FinishedShards(const FuseJob& job, FuseResults& results);

  /// Once for every matrix, those without elements too.
  void add_matrix(std::size_t matrix, MatrixResult result);
  /// Once for every shard, after its last byte.
  void add_shard(std::size_t shard, ShardResult result);

 private:
  void count_down(std::size_t shard);

  const FuseJob& job_;
  FuseResults& results_;
  std::unique_ptr<std::atomic<std::size_t>[]> left_;  // by shard: its matrices, and its bytes
};

}  // namespace contourfuse
