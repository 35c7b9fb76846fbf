// The generator's job: a delta folder for a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/publish.hpp"
#include "contourfuse/neuron/recipe.hpp"

namespace contourfuse {

struct GenerateSettings {
  std::string base_model{};  ///< folder or hub id
  std::string revision{};
  std::filesystem::path output{};
  std::uint64_t seed = 42;
  std::optional<std::filesystem::path> bank{};  ///< a bank file; default bank otherwise
  std::uint64_t gains_per_cell = 8;
  std::vector<std::string> layers{};  ///< select_layers' words
  float gate_scale = 1;
  float down_scale = 1;
  bool balance = true;
  bool recipe_only = false;
  bool config_only = false;  ///< sizes from config.json, no weights at hand
  bool overwrite = false;
  Durability durability = Durability::kFull;
};

struct GenerateResult {
  DeltaRecipe recipe{};
  std::uint64_t bytes_written = 0;
  double seconds = 0;
};

/// Writes delta.json and, unless recipe_only, delta-layer-NNNNN.safetensors for each selected layer
/// and delta.safetensors.index.json, published as a whole.
GenerateResult generate_delta(const GenerateSettings& settings, const Execution& execution);

}  // namespace contourfuse
