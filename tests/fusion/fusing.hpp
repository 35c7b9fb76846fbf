// Planning and running fuses of the tiny checkpoint.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/finished_shards.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/hash.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse::test {

/// A tiny checkpoint in `base`, room for a delta in `delta`, and settings that fuse them.
class Fusing : public testing::Test {
 protected:
  Fusing() {
    write_tiny_checkpoint(base());
    settings.model = base().string();
    settings.weights = delta();
    settings.output = folder.path() / "out";
  }
  [[nodiscard]] fs::path base() const { return folder.path() / "base"; }
  [[nodiscard]] fs::path delta() const { return folder.path() / "delta"; }

  void write_delta(const std::vector<TinyTensor>& tensors) const {
    write_bytes(delta() / "delta.safetensors", safetensors_bytes(tensors));
  }
  /// Gate and down, whole.
  void write_whole_delta() const {
    write_delta(
        {{kGate, "BF16", "[6,4]", bf16_bytes(24, 8)}, {kDown, "BF16", "[4,6]", bf16_bytes(24, 9)}});
  }
  [[nodiscard]] Error plan_error() const {
    return error_of([&] { static_cast<void>(plan_fuse(settings)); });
  }

  TemporaryFolder folder{};
  FuseSettings settings{};
};

/// Copies the shards as they are and hands out made-up results; remembers the job's plain data.
class CopyingBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "copying"; }
  FuseResults run(const FuseJob& job, const Execution& /*execution*/) override {
    numbers = job.numbers;
    matrices = job.matrices;
    read_method = job.read_method;
    write_direct = job.write_direct;
    durable = job.durable;
    FuseResults results;
    FinishedShards finished(job, results);
    shards.clear();
    for (std::size_t i = 0; i < job.matrices.size(); ++i) {
      MatrixResult result;
      result.counts.changed = job.matrices[i].name.size();
      result.weight_hash = hash_text(job.matrices[i].name);
      finished.add_matrix(i, result);
    }
    for (std::size_t i = 0; i < job.shards.size(); ++i) {
      const ShardJob& shard = job.shards[i];
      shards.push_back(shard.source->path().filename().string());
      had_target = shard.target != nullptr;
      std::vector<std::byte> bytes(shard.bytes);
      shard.source->read(0, bytes);
      if (had_target) shard.target->write(0, bytes);
      Hash128 hash;
      hash.update(bytes);
      finished.add_shard(i, {hash.hex(), hash.hex()});
      if (after_shard) after_shard();
    }
    deltas.clear();
    for (const MatrixJob& matrix : job.matrices) {
      std::string bytes(matrix.covered() * editable_bytes(matrix.delta_dtype), '\0');
      matrix.delta->read(0, std::as_writable_bytes(std::span(bytes)));
      deltas.push_back(bytes);
    }
    if (on_run) on_run();
    return results;
  }

  ScfNumbers numbers{};
  std::vector<MatrixJob> matrices{};
  std::vector<std::string> shards{};
  std::vector<std::string> deltas{};
  ReadMethod read_method = ReadMethod::kAuto;
  bool write_direct = false;
  bool durable = false;
  bool had_target = false;
  std::function<void()> after_shard{};
  std::function<void()> on_run{};
};

}  // namespace contourfuse::test
