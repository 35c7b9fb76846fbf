// Sweeps of a tiny checkpoint of two layers, with a backend whose numbers are known.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "contourfuse/sweep/plan.hpp"
#include "contourfuse/sweep/work.hpp"
#include "fusion/fusing.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse::test {

inline std::string layer_tensor(int layer, const std::string& role) {
  return "model.layers." + std::to_string(layer) + ".mlp." + role + "_proj.weight";
}

/// Says of each value v: 2v elements changed, v lost, change2 v², change v; counts what it is
/// asked.
class KnownBackend final : public SweepBackend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "known"; }
  [[nodiscard]] MatrixGrid measure(const GridJob& job, const Execution& execution) override {
    execution.check_cancelled();
    ++measured;
    if (on_measure) on_measure();
    MatrixGrid grid{.covered = job.matrix.covered(), .weight2 = 4, .max_delta = 0.75};
    for (const double value : job.values) {
      grid.points.push_back({.parameter = static_cast<float>(value),
                             .moved = 20,
                             .changed = 2 * value,
                             .lost = value,
                             .clamped = job.matrix.role == ScfRole::kGate ? 3U : 0U,
                             .sign_flips = 1,
                             .change2 = value * value,
                             .change = value});
    }
    return grid;
  }
  [[nodiscard]] std::unique_ptr<Products> products(const Execution& /*execution*/) override {
    return nullptr;
  }

  std::atomic<int> measured = 0;
  std::function<void()> on_measure{};
};

class Sweeping : public testing::Test {
 protected:
  Sweeping() {
    std::vector<TinyTensor> base;
    std::vector<TinyTensor> delta;
    for (const int layer : {0, 1}) {
      const auto salt = static_cast<unsigned>(10 * layer);
      base.push_back({layer_tensor(layer, "down"), "BF16", "[4,6]", bf16_bytes(24, salt)});
      base.push_back({layer_tensor(layer, "gate"), "BF16", "[6,4]", bf16_bytes(24, salt + 1)});
      base.push_back({layer_tensor(layer, "up"), "BF16", "[6,4]", bf16_bytes(24, salt + 2)});
      delta.push_back({layer_tensor(layer, "down"), "BF16", "[4,6]", bf16_bytes(24, salt + 3)});
      delta.push_back({layer_tensor(layer, "gate"), "BF16", "[6,4]", bf16_bytes(24, salt + 4)});
    }
    write_bytes(shard(), safetensors_bytes(base));
    write_bytes(folder.path() / "base" / "config.json",
                R"({"model_type":"llama","hidden_act":"silu","num_hidden_layers":2,)"
                R"("hidden_size":4,"intermediate_size":6})");
    write_bytes(delta_file(), safetensors_bytes(delta));
    settings.model = (folder.path() / "base").string();
    settings.weights = folder.path() / "delta";
    settings.alphas = {0, 1, 2};
    settings.gammas = {0.5, 1};
    settings.probe_tokens = 0;
  }
  [[nodiscard]] fs::path shard() const { return folder.path() / "base" / "model.safetensors"; }
  [[nodiscard]] fs::path delta_file() const {
    return folder.path() / "delta" / "delta.safetensors";
  }
  [[nodiscard]] fs::path run() const { return folder.path() / "run"; }
  [[nodiscard]] SweepDevices devices() { return {backend, fuser}; }

  /// A plan whose run folder is there.
  SweepPlan stored_plan() {
    SweepPlan plan = plan_sweep(settings);
    store_plan(plan, run());
    return plan;
  }
  /// Flips one bit, and makes the file look untouched.
  static void flip_byte(const fs::path& path, std::size_t at) {
    const auto time = fs::last_write_time(path);
    std::string bytes = read_bytes(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_bytes(path, bytes);
    fs::last_write_time(path, time);
  }

  TemporaryFolder folder{};
  SweepSettings settings{};
  KnownBackend backend{};
  CopyingBackend fuser{};
};

}  // namespace contourfuse::test
