// The recipe of a delta: delta.json, from which every element follows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/model/config.hpp"
#include "contourfuse/neuron/bank.hpp"

namespace contourfuse {

struct RecipeLayer {
  std::uint64_t layer = 0;
  LayerKind kind = LayerKind::kGlobal;
  std::uint64_t hidden_size = 0;
  std::uint64_t intermediate_size = 0;
  std::uint64_t cells = 0;  ///< ⌊I / 2K⌋
};

struct DeltaRecipe {
  bool stored = true;  ///< the matrices lie beside it; else they are made on the fly
  std::uint64_t seed = 42;
  NeuronBank bank{};
  float gate_scale = 1;
  float down_scale = 1;
  bool balance = true;
  std::string family{};
  std::uint64_t hidden_size = 0;
  std::string base_digest{};
  std::vector<RecipeLayer> layers{};

  [[nodiscard]] const RecipeLayer* find_layer(std::uint64_t layer) const noexcept;
};

/// Parses delta.json strictly: unknown keys, cells that do not follow from the sizes, coefficients
/// that are no bf16 values are refused.
[[nodiscard]] DeltaRecipe parse_recipe(std::string_view text, const std::string& file);
[[nodiscard]] DeltaRecipe read_recipe(const std::filesystem::path& path);
/// The text of delta.json: the same for equal recipes.
[[nodiscard]] std::string recipe_text(const DeltaRecipe& recipe);

}  // namespace contourfuse
