// Telling what a path is, and describing it from headers and JSON alone.
#include "contourfuse/fusion/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/delta.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/model/architecture.hpp"
#include "contourfuse/model/checkpoint.hpp"
#include "contourfuse/model/hub_cache.hpp"
#include "contourfuse/neuron/bank.hpp"
#include "contourfuse/neuron/generator.hpp"
#include "contourfuse/neuron/recipe.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kDeltaName = "delta.json";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

[[noreturn]] void no_such_layer(const std::string& path, std::uint64_t layer) {
  throw Error(Failure::kBadInput, "unknown-layer", fmt::format("there is no layer {}", layer),
              Place{.file = path});
}

OrderedJson describe_layer(const MlpLayer& layer) {
  const auto tensor = [&layer](Role role) -> OrderedJson {
    const std::optional<MlpMatrix>& matrix = layer.role(role);
    return matrix ? OrderedJson(matrix->view.tensor) : OrderedJson(nullptr);
  };
  return {{"layer", layer.layer},
          {"kind", to_string(layer.kind)},
          {"hidden_size", layer.hidden_size},
          {"intermediate_size", layer.intermediate_size},
          {"double_wide", layer.double_wide},
          {"gate", tensor(Role::kGate)},
          {"up", tensor(Role::kUp)},
          {"down", tensor(Role::kDown)}};
}

/// What a manifest says in short; of a damaged one, that it is.
OrderedJson describe_fused(const fs::path& folder) {
  try {
    const nlohmann::json manifest = read_manifest(folder);
    OrderedJson fused;
    for (const char* key : {"version", "model", "weights", "parameters", "selected_layers"}) {
      fused[key] = manifest.value(key, nlohmann::json());
    }
    const auto edited = manifest.find("edited");
    fused["edited"] = edited != manifest.end() && edited->is_array() ? edited->size() : 0;
    fused["totals"] = manifest.value("totals", nlohmann::json());
    return fused;
  } catch (const Error& error) {
    return {{"damaged", error.message()}};
  }
}

OrderedJson inspect_checkpoint(const std::string& path, std::optional<std::uint64_t> only_layer) {
  const Checkpoint checkpoint = open_checkpoint(path);
  if (only_layer && checkpoint.find_layer(*only_layer) == nullptr) no_such_layer(path, *only_layer);
  OrderedJson layers = OrderedJson::array();
  for (const MlpLayer& layer : checkpoint.layers) {
    if (!only_layer || layer.layer == *only_layer) layers.push_back(describe_layer(layer));
  }
  OrderedJson shards = OrderedJson::array();
  for (const Shard& shard : checkpoint.shards) {
    shards.push_back({{"file", shard.file},
                      {"bytes", shard.header.file_bytes()},
                      {"tensors", shard.header.tensors().size()}});
  }
  OrderedJson document = {{"kind", "checkpoint"},
                          {"family", checkpoint.config.family},
                          {"layers", std::move(layers)},
                          {"shards", std::move(shards)},
                          {"tensor_bytes", checkpoint.tensor_bytes()},
                          {"mlp_bytes", checkpoint.mlp_bytes()},
                          {"activation", checkpoint.config.activation}};
  if (is_there(checkpoint.folder / kManifestName)) {
    document["fused"] = describe_fused(checkpoint.folder);
  }
  return document;
}

OrderedJson describe_cells(const DeltaRecipe& recipe, const RecipeLayer& layer) {
  const LayerGenerator generator(recipe, layer);
  OrderedJson cells = OrderedJson::array();
  for (std::uint64_t i = 0; i < layer.cells; ++i) {
    const CellInfo cell = generator.cell(i);
    cells.push_back({{"first_neuron", cell.first_neuron},
                     {"neurons", cell.neurons},
                     {"source", recipe.bank.sources.at(cell.source).name},
                     {"frame", cell.frame},
                     {"output_frame", cell.output_frame}});
  }
  return cells;
}

OrderedJson inspect_recipe(const DeltaRecipe& recipe, const std::string& path,
                           std::optional<std::uint64_t> with_cells) {
  OrderedJson layers = OrderedJson::array();
  for (const RecipeLayer& layer : recipe.layers) {
    layers.push_back({{"layer", layer.layer},
                      {"kind", to_string(layer.kind)},
                      {"intermediate_size", layer.intermediate_size},
                      {"cells", layer.cells},
                      {"gains_per_cell", recipe.bank.gains_per_cell()}});
  }
  OrderedJson document = {{"kind", "delta"},
                          {"stored", recipe.stored},
                          {"seed", recipe.seed},
                          {"layers", std::move(layers)}};
  if (with_cells) {
    const RecipeLayer* layer = recipe.find_layer(*with_cells);
    if (layer == nullptr) no_such_layer(path, *with_cells);
    document["cells"] = describe_cells(recipe, *layer);
  }
  return document;
}

/// A delta folder of another tool: what its tensor names say.
OrderedJson inspect_foreign_delta(const std::string& path, std::optional<std::uint64_t> layer) {
  const Delta delta = Delta::open(path);
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : delta.tensor_names()) {
    if (const auto mlp = match_mlp_name(name)) numbers.push_back(mlp->layer);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  if (layer && !std::ranges::binary_search(numbers, *layer)) no_such_layer(path, *layer);
  OrderedJson layers = OrderedJson::array();
  for (const std::uint64_t number : numbers) {
    layers.push_back({{"layer", number},
                      {"kind", nullptr},
                      {"intermediate_size", nullptr},
                      {"cells", nullptr},
                      {"gains_per_cell", nullptr}});
  }
  OrderedJson document = {
      {"kind", "delta"}, {"stored", true}, {"seed", nullptr}, {"layers", std::move(layers)}};
  if (layer) document["cells"] = OrderedJson::array();
  return document;
}

OrderedJson inspect_bank(const fs::path& path) {
  const NeuronBank bank = read_bank(path);
  return {{"kind", "bank"},
          {"activation", to_string(bank.activation)},
          {"sources", bank_sources_to_json(bank)}};
}

OrderedJson inspect_tensors(const SafetensorsHeader& header) {
  OrderedJson tensors = OrderedJson::array();
  for (const TensorInfo& tensor : header.tensors()) {
    tensors.push_back({{"name", tensor.name},
                       {"dtype", dtype_name(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"begin", tensor.begin},
                       {"end", tensor.end}});
  }
  return {{"kind", "file"}, {"tensors", std::move(tensors)}, {"metadata", header.metadata()}};
}

bool is_bank(const SafetensorsHeader& header) {
  const auto schema = header.metadata().find("schema");
  return schema != header.metadata().end() && schema->second.starts_with("contourfuse.bank");
}

bool holds_safetensors(const fs::path& folder) {
  std::error_code failure;
  fs::directory_iterator entry(folder, failure);
  for (const fs::directory_iterator end; !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() == ".safetensors") return true;
  }
  return false;
}

}  // namespace

nlohmann::ordered_json inspect(const std::string& path, std::optional<std::uint64_t> layer) {
  const fs::path place = resolve_model(path);
  std::error_code ignored;
  if (fs::is_directory(place, ignored)) {
    if (is_there(place / kDeltaName)) {
      return inspect_recipe(read_recipe(place / kDeltaName), path, layer);
    }
    if (!is_there(place / "config.json") && holds_safetensors(place)) {
      return inspect_foreign_delta(path, layer);
    }
    return inspect_checkpoint(path, layer);
  }
  if (place.extension() == ".json") {
    if (place.filename() == kManifestName) {
      const fs::path folder = place.parent_path();
      return inspect_checkpoint(folder.empty() ? "." : folder.string(), layer);
    }
    return inspect_recipe(read_recipe(place), path, layer);
  }
  const SafetensorsHeader header = read_safetensors_header(place);
  return is_bank(header) ? inspect_bank(place) : inspect_tensors(header);
}

}  // namespace contourfuse
