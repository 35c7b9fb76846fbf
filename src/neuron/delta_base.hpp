// What a delta is generated for: the selected layers of a base, their sizes and tensor names.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/model/checkpoint.hpp"

namespace contourfuse {

struct DeltaBase {
  std::filesystem::path folder{};
  std::string family{};
  std::string activation{};
  std::string digest{};            ///< empty where only a config was read
  std::vector<MlpLayer> layers{};  ///< selected ones, each with all three roles
};

/// Sizes and names from the headers. Throws Error{kBadInput, "missing-mlp-tensor"} for a selected
/// layer without one of its three tensors.
[[nodiscard]] DeltaBase base_from_checkpoint(const std::string& model, const std::string& revision,
                                             std::span<const std::string> words);

/// Sizes from config.json by the published rules; names as the family's checkpoints have them.
[[nodiscard]] DeltaBase base_from_config(const std::string& model, const std::string& revision,
                                         std::span<const std::string> words);

}  // namespace contourfuse
