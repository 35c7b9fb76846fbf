// Random checkpoints with the real names, dtypes, order and shard split of known models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/publish.hpp"

namespace contourfuse {

struct SynthSettings {
  std::string like = "31b";  ///< one of synth_models()
  std::filesystem::path output{};
  std::optional<std::uint64_t> layers{};  ///< default: the model's own
  std::uint64_t scale_numerator = 1;      ///< every dimension is multiplied by this fraction
  std::uint64_t scale_denominator = 1;
  std::optional<std::uint64_t> max_shard_bytes{};  ///< default: split as the model was published
  std::uint64_t seed = 0;
  bool sparse = false;  ///< headers alone: weights are holes in the files, which read as zeros
  bool overwrite = false;
  Durability durability = Durability::kFull;
};

struct SynthResult {
  std::uint64_t tensors = 0;
  std::uint64_t shards = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// "31b", "26b-a4b", "e4b", "e2b", "12b", "llama".
[[nodiscard]] const std::vector<std::string>& synth_models();

/// What a published model weighs, all of bf16.
struct ModelSize {
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t gate_elements = 0;  ///< of dense MLPs, all layers
  std::uint64_t down_elements = 0;
};

/// Throws Error{kUsage, "unknown-synth-model"}.
[[nodiscard]] ModelSize synth_size(const std::string& like);

/// Weights are seeded and the same bits for any thread count: normal, σ 0.02; norms near 1.
SynthResult synthesize(const SynthSettings& settings, const Execution& execution);

}  // namespace contourfuse
