// Reading of config.json.
#include "contourfuse/model/config.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/json.hpp"

namespace contourfuse {
namespace {

/// Largest layer count or dimension that a configuration may give.
constexpr std::uint64_t kMaxSize = 1ULL << 31;

/// Layers per period of the families whose configuration may leave the pattern out: the last layer
/// of each period is global. 0 for families that are global throughout.
std::uint64_t default_period(std::string_view family) {
  if (family.starts_with("gemma2")) return 2;
  if (family.starts_with("gemma3n")) return 5;
  if (family.starts_with("gemma3") || family.starts_with("gemma4")) return 6;
  return 0;
}

[[noreturn]] void refuse_field(std::string_view key, std::string_view rule,
                               const std::string& file) {
  throw Error(Failure::kBadInput, "json-field", fmt::format("\"{}\" {}", key, rule),
              Place{.file = file});
}

/// The value at `key`, or null if it is absent or null.
const nlohmann::json* value_at(const nlohmann::json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string optional_string(const nlohmann::json& object, std::string_view key,
                            const std::string& file) {
  const nlohmann::json* value = value_at(object, key);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse_field(key, "must be a string", file);
  return value->get<std::string>();
}

bool optional_bool(const nlohmann::json& object, std::string_view key, const std::string& file) {
  const nlohmann::json* value = value_at(object, key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) refuse_field(key, "must be true or false", file);
  return value->get<bool>();
}

std::vector<LayerKind> read_layer_types(const nlohmann::json& object,
                                        std::optional<std::uint64_t> layers,
                                        const std::string& file) {
  std::vector<LayerKind> kinds;
  const nlohmann::json* value = value_at(object, "layer_types");
  if (value == nullptr) return kinds;
  if (!value->is_array()) refuse_field("layer_types", "must be a list of strings", file);
  if (layers && value->size() != *layers) {
    refuse_field("layer_types",
                 fmt::format("has {} entries, \"num_hidden_layers\" is {}", value->size(), *layers),
                 file);
  }
  kinds.reserve(value->size());
  for (const nlohmann::json& word : *value) {
    if (!word.is_string()) refuse_field("layer_types", "must be a list of strings", file);
    // Linear, chunked and full attention all see more than a window.
    const bool sliding = word.get_ref<const std::string&>().find("sliding") != std::string::npos;
    kinds.push_back(sliding ? LayerKind::kSliding : LayerKind::kGlobal);
  }
  return kinds;
}

std::optional<std::uint64_t> read_pattern(const nlohmann::json& object, const std::string& file) {
  for (const std::string_view key : {"sliding_window_pattern", "_sliding_window_pattern"}) {
    // A pattern in letters (EXAONE's "LLLG") is not read; its files have layer_types.
    const nlohmann::json* value = value_at(object, key);
    if (value != nullptr && !value->is_string()) {
      return optional_whole_number(object, key, 1, kMaxSize, file);
    }
  }
  return std::nullopt;
}

std::optional<double> optional_epsilon(const nlohmann::json& object, const std::string& file) {
  const nlohmann::json* value = value_at(object, "rms_norm_eps");
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !(value->get<double>() >= 0)) {
    refuse_field("rms_norm_eps", "must be a number, 0 or more", file);
  }
  return value->get<double>();
}

bool read_has_experts(const nlohmann::json& object, const std::string& file) {
  for (const std::string_view key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (optional_whole_number(object, key, 0, kMaxSize, file).value_or(0) > 0) return true;
  }
  return false;
}

}  // namespace

std::string_view to_string(LayerKind kind) noexcept {
  return kind == LayerKind::kSliding ? "sliding" : "global";
}

LayerKind ModelConfig::kind_of(std::uint64_t layer, std::uint64_t layer_count) const {
  const bool last = layer + 1 == layer_count;
  // Gemma 4's own code makes the last layer global whatever the list says.
  if (last && family.starts_with("gemma4")) return LayerKind::kGlobal;
  if (layer < layer_types.size()) return layer_types[layer];
  if (sliding_window_pattern) {
    return (layer + 1) % *sliding_window_pattern == 0 ? LayerKind::kGlobal : LayerKind::kSliding;
  }
  const std::uint64_t period = default_period(family);
  if (period == 0 || last) return LayerKind::kGlobal;
  return (layer + 1) % period == 0 ? LayerKind::kGlobal : LayerKind::kSliding;
}

std::uint64_t ModelConfig::intermediate_size_of(std::uint64_t layer) const {
  if (!intermediate_size) {
    throw Error(Failure::kBadInput, "config-field-missing",
                "the configuration has no \"intermediate_size\"", Place{.file = "config.json"});
  }
  if (!double_wide_mlp || !layers || *layers <= kv_shared_layers) return *intermediate_size;
  const std::uint64_t first_shared = *layers - kv_shared_layers;
  return layer >= first_shared ? 2 * *intermediate_size : *intermediate_size;
}

ModelConfig parse_config(std::string_view text, const std::string& file) {
  const nlohmann::json root = parse_json(text, file);
  if (!root.is_object()) {
    throw Error(Failure::kBadInput, "json-field", "the configuration is not a JSON object",
                Place{.file = file});
  }
  const nlohmann::json* nested = value_at(root, "text_config");
  if (nested != nullptr && !nested->is_object()) {
    refuse_field("text_config", "must be an object", file);
  }
  const nlohmann::json& fields = nested != nullptr ? *nested : root;

  ModelConfig config;
  config.family = optional_string(root, "model_type", file);
  if (config.family.empty()) config.family = optional_string(fields, "model_type", file);
  config.activation = optional_string(fields, "hidden_activation", file);
  if (config.activation.empty()) config.activation = optional_string(fields, "hidden_act", file);
  config.layers = optional_whole_number(fields, "num_hidden_layers", 1, kMaxSize, file);
  config.hidden_size = optional_whole_number(fields, "hidden_size", 1, kMaxSize, file);
  config.intermediate_size = optional_whole_number(fields, "intermediate_size", 1, kMaxSize, file);
  config.rms_norm_eps = optional_epsilon(fields, file);
  config.kv_shared_layers =
      optional_whole_number(fields, "num_kv_shared_layers", 0, kMaxSize, file).value_or(0);
  config.double_wide_mlp = optional_bool(fields, "use_double_wide_mlp", file);
  config.has_experts = read_has_experts(fields, file);
  config.layer_types = read_layer_types(fields, config.layers, file);
  config.sliding_window_pattern = read_pattern(fields, file);
  return config;
}

}  // namespace contourfuse
