// delta.json, read strictly and written the same for equal recipes.
#include "contourfuse/neuron/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "bank_rules.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"
#include "recipe_rules.hpp"

namespace contourfuse {
namespace {

constexpr std::string_view kDeltaSchema = "contourfuse.delta/1";

float scale_of(const JsonFields& root, std::string_view key) {
  const double value = root.number(key);
  const auto scale = static_cast<float>(value);
  if (static_cast<double>(scale) != value) root.refuse(key, "is no 32-bit number");
  if (!is_allowed_scale(scale)) {
    root.refuse(key, fmt::format("is not between {} and {}", 1 / kMaxScale, kMaxScale));
  }
  return scale;
}

LayerKind kind_of(const JsonFields& entry) {
  const std::string word = entry.text("kind", 64);
  for (const LayerKind kind : {LayerKind::kSliding, LayerKind::kGlobal}) {
    if (word == to_string(kind)) return kind;
  }
  entry.refuse("kind", "is neither sliding nor global");
}

RecipeLayer layer_of(const JsonFields& entry, std::uint64_t gains_per_cell) {
  entry.allow({"layer", "kind", "hidden_size", "intermediate_size", "cells"});
  RecipeLayer layer{
      .layer = entry.whole_number("layer", 0, kMaxLayer),
      .kind = kind_of(entry),
      .hidden_size = entry.whole_number("hidden_size", 2, kMaxHiddenSize),
      .intermediate_size = entry.whole_number("intermediate_size", 1, kMaxIntermediateSize)};
  layer.cells = layer.intermediate_size / (2 * gains_per_cell);
  if (entry.whole_number("cells", 0, kMaxIntermediateSize) != layer.cells) {
    entry.refuse("cells", fmt::format("is not the {} that follow from the sizes", layer.cells));
  }
  return layer;
}

}  // namespace

bool is_allowed_scale(float scale) noexcept { return scale >= 1 / kMaxScale && scale <= kMaxScale; }

bool is_dealt_to(LayerUse use, LayerKind kind) noexcept {
  switch (use) {
    case LayerUse::kSliding:
      return kind == LayerKind::kSliding;
    case LayerUse::kGlobal:
      return kind == LayerKind::kGlobal;
    case LayerUse::kBoth:
      break;
  }
  return true;
}

void check_layer(const NeuronBank& bank, const RecipeLayer& layer, const std::string& file) {
  const auto refuse = [&](std::string message) {
    throw Error(Failure::kBadInput, "bad-recipe", fmt::format("layer {}: {}", layer.layer, message),
                {.file = file});
  };
  if (layer.layer > kMaxLayer || layer.hidden_size < 2 || layer.hidden_size > kMaxHiddenSize ||
      layer.intermediate_size < 1 || layer.intermediate_size > kMaxIntermediateSize) {
    refuse(fmt::format("sizes {} x {} are outside of what can be generated", layer.hidden_size,
                       layer.intermediate_size));
  }
  const bool any = std::any_of(bank.sources.begin(), bank.sources.end(), [&](const auto& source) {
    return is_dealt_to(source.kind, layer.kind);
  });
  if (!any) {
    refuse(
        fmt::format("no source neuron of the bank is meant for {} layers", to_string(layer.kind)));
  }
}

const RecipeLayer* DeltaRecipe::find_layer(std::uint64_t layer) const noexcept {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [layer](const auto& entry) { return entry.layer == layer; });
  return found == layers.end() ? nullptr : &*found;
}

DeltaRecipe parse_recipe(std::string_view text, const std::string& file) {
  const nlohmann::json document = parse_json(text, file);
  const JsonFields root(document, file, "");
  root.allow({"schema", "kind", "seed", "activation", "gains_per_cell", "gate_scale", "down_scale",
              "balance", "bank", "base", "layers"});
  if (root.text("schema", 64) != kDeltaSchema) {
    root.refuse("schema", fmt::format("is not \"{}\"", kDeltaSchema));
  }
  const std::string kind = root.text("kind", 64);
  if (kind != "stored" && kind != "recipe") root.refuse("kind", "is neither stored nor recipe");

  DeltaRecipe recipe{.stored = kind == "stored",
                     .seed = root.whole_number("seed", 0, UINT64_MAX),
                     .gate_scale = scale_of(root, "gate_scale"),
                     .down_scale = scale_of(root, "down_scale"),
                     .balance = root.boolean("balance")};
  const JsonFields bank = root.object("bank");
  bank.allow({"sources"});
  recipe.bank = bank_from_json(bank.array("sources", kMaxSources),
                               parse_activation_in(file, root.text("activation", 64)), file);
  if (root.whole_number("gains_per_cell", 1, kMaxGains) != recipe.bank.gains_per_cell()) {
    root.refuse("gains_per_cell", "is not the number of the bank's gains");
  }
  const JsonFields base = root.object("base");
  base.allow({"family", "hidden_size", "digest"});
  recipe.family = base.text("family", 256);
  recipe.hidden_size = base.whole_number("hidden_size", 2, kMaxHiddenSize);
  recipe.base_digest = base.text("digest", 256);

  const std::size_t count = root.array("layers", kMaxLayers).size();
  for (std::size_t i = 0; i < count; ++i) {
    const JsonFields entry = root.entry("layers", i);
    const RecipeLayer layer = layer_of(entry, recipe.bank.gains_per_cell());
    if (!recipe.layers.empty() && recipe.layers.back().layer >= layer.layer) {
      entry.refuse("layer", "does not ascend");
    }
    check_layer(recipe.bank, layer, file);
    recipe.layers.push_back(layer);
  }
  return recipe;
}

DeltaRecipe read_recipe(const std::filesystem::path& path) {
  return parse_recipe(read_text(path, kMaxJsonBytes), path.string());
}

std::string recipe_text(const DeltaRecipe& recipe) {
  nlohmann::ordered_json document;
  document["schema"] = kDeltaSchema;
  document["kind"] = recipe.stored ? "stored" : "recipe";
  document["seed"] = recipe.seed;
  document["activation"] = to_string(recipe.bank.activation);
  document["gains_per_cell"] = recipe.bank.gains_per_cell();
  document["gate_scale"] = static_cast<double>(recipe.gate_scale);
  document["down_scale"] = static_cast<double>(recipe.down_scale);
  document["balance"] = recipe.balance;
  document["bank"]["sources"] = bank_sources_to_json(recipe.bank);
  document["base"]["family"] = recipe.family;
  document["base"]["hidden_size"] = recipe.hidden_size;
  document["base"]["digest"] = recipe.base_digest;
  auto layers = nlohmann::ordered_json::array();
  for (const RecipeLayer& layer : recipe.layers) {
    nlohmann::ordered_json entry;
    entry["layer"] = layer.layer;
    entry["kind"] = to_string(layer.kind);
    entry["hidden_size"] = layer.hidden_size;
    entry["intermediate_size"] = layer.intermediate_size;
    entry["cells"] = layer.cells;
    layers.push_back(std::move(entry));
  }
  document["layers"] = std::move(layers);
  return document.dump(1) + "\n";
}

}  // namespace contourfuse
