// Selected layers of a checkpoint, or of a configuration alone.
#include "delta_base.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/model/hub_cache.hpp"
#include "contourfuse/model/layer_selection.hpp"
#include "recipe_rules.hpp"

namespace contourfuse {
namespace {

constexpr Role kRoles[] = {Role::kGate, Role::kUp, Role::kDown};

std::vector<MlpLayer> selected(std::span<const std::string> words,
                               const std::vector<MlpLayer>& layers) {
  const std::vector<std::uint64_t> numbers = select_layers(words, layers);
  std::vector<MlpLayer> chosen;
  std::copy_if(layers.begin(), layers.end(), std::back_inserter(chosen), [&](const auto& layer) {
    return std::binary_search(numbers.begin(), numbers.end(), layer.layer);
  });
  return chosen;
}

std::uint64_t required(std::optional<std::uint64_t> value, std::string_view key,
                       const std::string& file) {
  if (!value) {
    throw Error(Failure::kBadInput, "config-field", fmt::format("\"{}\" is missing", key),
                {.file = file}, "leave --config-only away if the weights are at hand");
  }
  return *value;
}

}  // namespace

DeltaBase base_from_checkpoint(const std::string& model, const std::string& revision,
                               std::span<const std::string> words) {
  const Checkpoint checkpoint = open_checkpoint(model, revision);
  require_dense_mlps(checkpoint);
  DeltaBase base{.folder = checkpoint.folder,
                 .family = checkpoint.config.family,
                 .activation = checkpoint.config.activation,
                 .digest = checkpoint_digest(checkpoint),
                 .layers = selected(words, checkpoint.layers)};
  for (const MlpLayer& layer : base.layers) {
    for (const Role role : kRoles) {
      if (layer.role(role)) continue;
      throw Error(Failure::kBadInput, "missing-mlp-tensor",
                  fmt::format("layer {} has no {} projection", layer.layer, to_string(role)),
                  {.file = base.folder.string()});
    }
  }
  return base;
}

DeltaBase base_from_config(const std::string& model, const std::string& revision,
                           std::span<const std::string> words) {
  const std::filesystem::path folder = resolve_model(model, revision);
  const std::string file = (folder / "config.json").string();
  const std::string text = read_text(file, kMaxJsonBytes);
  const ModelConfig config = parse_config(text, file);
  const nlohmann::json document = parse_json(text, file);
  const auto text_config = document.find("text_config");
  const bool nested = text_config != document.end() && text_config->is_object();
  const std::string_view prefix = nested ? "model.language_model" : "model";

  const std::uint64_t count = required(config.layers, "num_hidden_layers", file);
  const std::uint64_t hidden = required(config.hidden_size, "hidden_size", file);
  const std::uint64_t narrow = required(config.intermediate_size, "intermediate_size", file);
  if (count > kMaxLayers) {
    throw Error(Failure::kBadInput, "config-field", fmt::format("{} layers are too many", count),
                {.file = file});
  }
  if (config.has_experts && !config.family.starts_with("gemma")) {
    throw Error(Failure::kBadInput, "no-dense-mlp",
                fmt::format("the configuration of {} has experts, and does not say which layers "
                            "have a dense MLP",
                            config.family),
                {.file = file}, "leave --config-only away");
  }
  std::vector<MlpLayer> layers;
  for (std::uint64_t n = 0; n < count; ++n) {
    MlpLayer layer{.layer = n,
                   .kind = config.kind_of(n, count),
                   .hidden_size = hidden,
                   .intermediate_size = config.intermediate_size_of(n)};
    layer.double_wide = layer.intermediate_size == 2 * narrow;
    for (const Role role : kRoles) {
      const bool down = role == Role::kDown;
      layer.roles[static_cast<std::size_t>(role)] =
          MlpMatrix{.view = {.tensor = fmt::format("{}.layers.{}.mlp.{}_proj.weight", prefix, n,
                                                   to_string(role)),
                             .rows = down ? hidden : layer.intermediate_size,
                             .cols = down ? layer.intermediate_size : hidden}};
    }
    layers.push_back(std::move(layer));
  }
  return DeltaBase{.folder = folder,
                   .family = config.family,
                   .activation = config.activation,
                   .layers = selected(words, layers)};
}

}  // namespace contourfuse
