// Names and shapes of the imitated models' tensors.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "synth_models.hpp"

namespace contourfuse {
namespace {

/// Side of an image patch in pixels, times three colours; fixed by the image processor.
constexpr std::uint64_t kPatchInput = std::uint64_t{3} * 16 * 16;
constexpr std::uint64_t kMergedPatchInput = std::uint64_t{3} * 48 * 48;

class TensorList {
 public:
  void add(std::string name, Shape shape) {
    tensors_.push_back({std::move(name), DType::kBF16, std::move(shape)});
  }
  void linear(const std::string& name, std::uint64_t out, std::uint64_t in) {
    add(name + ".weight", {out, in});
  }
  void norm(const std::string& name, std::uint64_t size) { add(name + ".weight", {size}); }
  /// Weight and bias.
  void layer_norm(const std::string& name, std::uint64_t size) {
    norm(name, size);
    add(name + ".bias", {size});
  }
  /// A linear with its range clips, if the tower has them.
  void clippable(const std::string& name, std::uint64_t out, std::uint64_t in, bool clipped) {
    if (clipped) {
      for (const char* bound : {"input_min", "input_max", "output_min", "output_max"}) {
        add(fmt::format("{}.{}", name, bound), {});
      }
    }
    linear(name + ".linear", out, in);
  }
  std::vector<TensorSpec> take() { return std::move(tensors_); }

 private:
  std::vector<TensorSpec> tensors_{};
};

void add_norms(TensorList& list, const std::string& layer, std::uint64_t hidden) {
  for (const char* name : {"input_layernorm", "post_attention_layernorm",
                           "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
    list.norm(layer + name, hidden);
  }
}

void add_vision(TensorList& list, const SynthVision& vision) {
  const std::string tower = "model.vision_tower.";
  if (vision.standardized) {
    list.add(tower + "std_bias", {vision.hidden});
    list.add(tower + "std_scale", {vision.hidden});
  }
  list.add(tower + "patch_embedder.position_embedding_table", {2, vision.positions, vision.hidden});
  list.linear(tower + "patch_embedder.input_proj", vision.hidden, kPatchInput);
  const std::uint64_t inner = vision.heads * vision.head_dim;
  for (std::uint64_t n = 0; n < vision.layers; ++n) {
    const std::string layer = fmt::format("{}encoder.layers.{}.", tower, n);
    for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
      list.clippable(layer + "self_attn." + name, inner, vision.hidden, vision.clipped);
    }
    list.clippable(layer + "self_attn.o_proj", vision.hidden, inner, vision.clipped);
    list.norm(layer + "self_attn.q_norm", vision.head_dim);
    list.norm(layer + "self_attn.k_norm", vision.head_dim);
    list.clippable(layer + "mlp.gate_proj", vision.intermediate, vision.hidden, vision.clipped);
    list.clippable(layer + "mlp.up_proj", vision.intermediate, vision.hidden, vision.clipped);
    list.clippable(layer + "mlp.down_proj", vision.hidden, vision.intermediate, vision.clipped);
    add_norms(list, layer, vision.hidden);
  }
}

void add_audio_layer(TensorList& list, const std::string& layer, const SynthAudio& audio) {
  const std::uint64_t hidden = audio.hidden;
  for (const char* name : {"feed_forward1.", "feed_forward2."}) {
    const std::string feed_forward = layer + name;
    list.clippable(feed_forward + "ffw_layer_1", 4 * hidden, hidden, true);
    list.clippable(feed_forward + "ffw_layer_2", hidden, 4 * hidden, true);
    list.norm(feed_forward + "pre_layer_norm", hidden);
    list.norm(feed_forward + "post_layer_norm", hidden);
  }
  list.add(layer + "self_attn.per_dim_scale", {hidden / audio.heads});
  for (const char* name : {"q_proj", "k_proj", "v_proj", "post"}) {
    list.clippable(layer + "self_attn." + name, hidden, hidden, true);
  }
  list.linear(layer + "self_attn.relative_k_proj", hidden, hidden);
  list.clippable(layer + "lconv1d.linear_start", 2 * hidden, hidden, true);
  list.clippable(layer + "lconv1d.linear_end", hidden, hidden, true);
  list.add(layer + "lconv1d.depthwise_conv1d.weight", {hidden, 1, 5});
  list.norm(layer + "lconv1d.pre_layer_norm", hidden);
  list.norm(layer + "lconv1d.conv_norm", hidden);
  for (const char* name : {"norm_pre_attn", "norm_post_attn", "norm_out"}) {
    list.norm(layer + name, hidden);
  }
}

void add_audio(TensorList& list, const SynthAudio& audio) {
  const std::string tower = "model.audio_tower.";
  const std::string convolutions = tower + "subsample_conv_projection.";
  list.add(convolutions + "layer0.conv.weight", {128, 1, 3, 3});
  list.norm(convolutions + "layer0.norm", 128);
  list.add(convolutions + "layer1.conv.weight", {32, 128, 3, 3});
  list.norm(convolutions + "layer1.norm", 32);
  list.linear(convolutions + "input_proj_linear", audio.hidden, std::uint64_t{128} / 4 * 32);
  for (std::uint64_t n = 0; n < audio.layers; ++n) {
    add_audio_layer(list, fmt::format("{}layers.{}.", tower, n), audio);
  }
  list.linear(tower + "output_proj", audio.output, audio.hidden);
  list.add(tower + "output_proj.bias", {audio.output});
}

void add_mlp(TensorList& list, const std::string& layer, std::uint64_t hidden,
             std::uint64_t intermediate) {
  list.linear(layer + "mlp.gate_proj", intermediate, hidden);
  list.linear(layer + "mlp.up_proj", intermediate, hidden);
  list.linear(layer + "mlp.down_proj", hidden, intermediate);
}

void add_experts(TensorList& list, const std::string& layer, const SynthModel& model) {
  list.add(layer + "router.scale", {model.hidden});
  list.add(layer + "router.per_expert_scale", {model.experts});
  list.linear(layer + "router.proj", model.experts, model.hidden);
  list.add(layer + "experts.gate_up_proj",
           {model.experts, 2 * model.expert_intermediate, model.hidden});
  list.add(layer + "experts.down_proj", {model.experts, model.hidden, model.expert_intermediate});
  for (const char* name : {"post_feedforward_layernorm_1", "post_feedforward_layernorm_2",
                           "pre_feedforward_layernorm_2"}) {
    list.norm(layer + name, model.hidden);
  }
}

void add_gemma_layer(TensorList& list, const std::string& layer, std::uint64_t n,
                     const SynthModel& model) {
  const bool global = model.is_global(n);
  const std::uint64_t head_dim = global ? model.global_head_dim : model.head_dim;
  const std::uint64_t keys = (global ? model.global_kv_heads : model.kv_heads) * head_dim;
  const std::uint64_t queries = model.heads * head_dim;
  const std::string attention = layer + "self_attn.";
  list.add(layer + "layer_scalar", {1});
  list.linear(attention + "q_proj", queries, model.hidden);
  list.norm(attention + "q_norm", head_dim);
  // The published files keep these for the layers that share keys, too.
  list.norm(attention + "k_norm", head_dim);
  list.linear(attention + "k_proj", keys, model.hidden);
  if (!(global && model.k_eq_v)) list.linear(attention + "v_proj", keys, model.hidden);
  list.linear(attention + "o_proj", model.hidden, queries);
  const bool wide = model.double_wide && n >= model.layers - model.kv_shared;
  add_mlp(list, layer, model.hidden, (wide ? 2 : 1) * model.intermediate);
  add_norms(list, layer, model.hidden);
  if (model.per_layer_input != 0) {
    list.linear(layer + "per_layer_input_gate", model.per_layer_input, model.hidden);
    list.linear(layer + "per_layer_projection", model.hidden, model.per_layer_input);
    list.norm(layer + "post_per_layer_input_norm", model.hidden);
  }
  if (model.experts != 0) add_experts(list, layer, model);
}

void add_gemma_text(TensorList& list, const SynthModel& model) {
  const std::string text = "model.language_model.";
  list.linear(text + "embed_tokens", model.vocabulary, model.hidden);
  for (std::uint64_t n = 0; n < model.layers; ++n) {
    add_gemma_layer(list, fmt::format("{}layers.{}.", text, n), n, model);
  }
  list.norm(text + "norm", model.hidden);
  if (model.per_layer_input == 0) return;
  const std::uint64_t packed = model.layers * model.per_layer_input;
  list.linear(text + "embed_tokens_per_layer", model.vocabulary, packed);
  list.linear(text + "per_layer_model_projection", packed, model.hidden);
  list.norm(text + "per_layer_projection_norm", model.per_layer_input);
}

void add_embedders(TensorList& list, const SynthEmbedders& embedders, std::uint64_t hidden) {
  const std::string vision = "model.embed_vision.";
  list.add(vision + "pos_embedding", {embedders.positions, 2, hidden});
  list.layer_norm(vision + "patch_ln1", kMergedPatchInput);
  list.linear(vision + "patch_dense", hidden, kMergedPatchInput);
  list.add(vision + "patch_dense.bias", {hidden});
  list.layer_norm(vision + "patch_ln2", hidden);
  list.layer_norm(vision + "pos_norm", hidden);
  list.linear(vision + "multimodal_embedder.embedding_projection", hidden, hidden);
  list.linear("model.embed_audio.embedding_projection", hidden, embedders.audio_frame);
}

void add_gemma(TensorList& list, const SynthModel& model) {
  if (model.vision) add_vision(list, *model.vision);
  add_gemma_text(list, model);
  if (model.audio) add_audio(list, *model.audio);
  if (model.vision) {
    list.linear("model.embed_vision.embedding_projection", model.hidden, model.vision->hidden);
  }
  if (model.audio) {
    list.linear("model.embed_audio.embedding_projection", model.hidden, model.audio->output);
  }
  if (model.embedders) add_embedders(list, *model.embedders, model.hidden);
}

void add_llama(TensorList& list, const SynthModel& model) {
  list.linear("model.embed_tokens", model.vocabulary, model.hidden);
  const std::uint64_t queries = model.heads * model.head_dim;
  const std::uint64_t keys = model.kv_heads * model.head_dim;
  for (std::uint64_t n = 0; n < model.layers; ++n) {
    const std::string layer = fmt::format("model.layers.{}.", n);
    list.linear(layer + "self_attn.q_proj", queries, model.hidden);
    list.linear(layer + "self_attn.k_proj", keys, model.hidden);
    list.linear(layer + "self_attn.v_proj", keys, model.hidden);
    list.linear(layer + "self_attn.o_proj", model.hidden, queries);
    add_mlp(list, layer, model.hidden, model.intermediate);
    list.norm(layer + "input_layernorm", model.hidden);
    list.norm(layer + "post_attention_layernorm", model.hidden);
  }
  list.norm("model.norm", model.hidden);
  list.linear("lm_head", model.vocabulary, model.hidden);
}

}  // namespace

std::vector<TensorSpec> synth_tensors(const SynthModel& model) {
  TensorList list;
  if (model.family == "llama") {
    add_llama(list, model);
  } else {
    add_gemma(list, model);
  }
  return list.take();
}

}  // namespace contourfuse
