// The models that synth imitates: dimensions, tensors and configuration.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

/// A vision tower of Gemma 4's kind.
struct SynthVision {
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t positions = 10240;
  bool clipped = false;       ///< `use_clipped_linears`: four scalars beside each linear
  bool standardized = false;  ///< `standardize`: std_bias and std_scale
};

/// An audio tower of Gemma 4's kind.
struct SynthAudio {
  std::uint64_t layers = 12;
  std::uint64_t hidden = 1024;
  std::uint64_t heads = 8;
  std::uint64_t output = 1536;
};

/// The projections of a model without towers (gemma4_unified): 48 × 48 pixels and sound frames.
struct SynthEmbedders {
  std::uint64_t positions = 1120;
  std::uint64_t audio_frame = 640;
};

struct SynthModel {
  std::string_view name{};
  std::string_view family{};
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t vocabulary = 0;
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t global_kv_heads = 0;
  std::uint64_t global_head_dim = 0;
  bool k_eq_v = false;       ///< global layers have no v_proj
  std::uint64_t period = 0;  ///< every period-th layer is global; 0: all
  std::uint64_t window = 0;
  std::uint64_t kv_shared = 0;
  bool double_wide = false;
  std::uint64_t per_layer_input = 0;
  std::uint64_t experts = 0;
  std::uint64_t expert_intermediate = 0;
  std::uint64_t experts_per_token = 0;
  std::optional<SynthVision> vision{};
  std::optional<SynthAudio> audio{};
  std::optional<SynthEmbedders> embedders{};
  std::uint64_t max_shard_bytes = 0;  ///< of the published split

  [[nodiscard]] bool is_global(std::uint64_t layer) const noexcept {
    return period == 0 || (layer + 1) % period == 0 || layer + 1 == layers;
  }
};

[[nodiscard]] const std::vector<SynthModel>& synth_model_table();

/// Every dimension times numerator / denominator, rounded to a multiple of 8 (counts of heads,
/// experts: at least 1, and query heads a multiple of key heads). The layers stay.
[[nodiscard]] SynthModel scaled(SynthModel model, std::uint64_t numerator,
                                std::uint64_t denominator);

/// With another number of layers; shared ones in proportion.
[[nodiscard]] SynthModel with_layers(SynthModel model, std::uint64_t layers);

/// Tensors in the order in which the model's modules are defined, which is the order that shards
/// are cut in (inside a shard they lie by name).
[[nodiscard]] std::vector<TensorSpec> synth_tensors(const SynthModel& model);

/// config.json.
[[nodiscard]] nlohmann::json synth_config(const SynthModel& model);

}  // namespace contourfuse
