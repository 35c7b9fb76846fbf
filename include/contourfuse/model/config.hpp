// What config.json says about the text model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace contourfuse {

enum class LayerKind : std::uint8_t { kSliding, kGlobal };
[[nodiscard]] std::string_view to_string(LayerKind kind) noexcept;

/// The text part of a config.json (`text_config` where there is one).
struct ModelConfig {
  std::string family{};      ///< top-level `model_type`, "gemma4"
  std::string activation{};  ///< `hidden_activation`, else `hidden_act`; "gelu_pytorch_tanh"
  std::optional<std::uint64_t> layers{};
  std::optional<std::uint64_t> hidden_size{};
  std::optional<std::uint64_t> intermediate_size{};
  std::optional<double> rms_norm_eps{};
  std::uint64_t kv_shared_layers = 0;    ///< `num_kv_shared_layers`
  bool double_wide_mlp = false;          ///< `use_double_wide_mlp`
  bool has_experts = false;              ///< any expert count above 0
  std::vector<LayerKind> layer_types{};  ///< from `layer_types`; empty if not given
  std::optional<std::uint64_t> sliding_window_pattern{};

  /// `layer_types`, else the pattern, else Gemma's 5:1 with the last layer global, else global.
  [[nodiscard]] LayerKind kind_of(std::uint64_t layer, std::uint64_t layer_count) const;
  /// Width by the published rule: 2·I for layer n iff double_wide_mlp and n ≥ L − kv_shared > 0.
  [[nodiscard]] std::uint64_t intermediate_size_of(std::uint64_t layer) const;
};

/// Throws Error{kBadInput} naming the field.
[[nodiscard]] ModelConfig parse_config(std::string_view text, const std::string& file);

}  // namespace contourfuse
