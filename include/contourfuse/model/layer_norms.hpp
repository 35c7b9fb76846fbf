// The RMSNorms on both sides of a layer's MLP.
#pragma once

#include <string>
#include <vector>

#include "contourfuse/model/checkpoint.hpp"

namespace contourfuse {

/// Names of norm weights; empty where the layer has no such norm.
struct LayerNorms {
  std::string before{};  ///< what the MLP's input has passed
  std::string after{};   ///< what its output passes before it is added
  bool offset = false;   ///< Gemma up to 3 multiplies by 1 + weight
  double epsilon = 1e-6;
};

/// By the published modelling codes. Before: pre_feedforward_layernorm, or post_attention_layernorm
/// in families that have no norm after the MLP (Llama, Qwen, Mistral). After:
/// post_feedforward_layernorm_1 where experts are added behind it, else
/// post_feedforward_layernorm.
[[nodiscard]] LayerNorms find_layer_norms(const Checkpoint& checkpoint, const MlpLayer& layer);

/// The factors of a norm, offset included. Throws Error{kBadInput, "bad-norm"} for a tensor that is
/// no vector of hidden_size floats.
[[nodiscard]] std::vector<float> read_norm_weight(const Checkpoint& checkpoint,
                                                  const MlpLayer& layer, const LayerNorms& norms,
                                                  const std::string& tensor);

}  // namespace contourfuse
