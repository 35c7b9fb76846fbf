// config.json of the imitated models.
#include <string>
#include <utility>
#include <vector>

#include "synth_models.hpp"

namespace contourfuse {
namespace {

using nlohmann::json;

json layer_types(const SynthModel& model) {
  json types = json::array();
  for (std::uint64_t n = 0; n < model.layers; ++n) {
    types.push_back(model.is_global(n) ? "full_attention" : "sliding_attention");
  }
  return types;
}

json gemma_text_config(const SynthModel& model) {
  json text = {
      {"model_type", std::string(model.family) + "_text"},
      {"dtype", "bfloat16"},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"attention_k_eq_v", model.k_eq_v},
      {"bos_token_id", 2},
      {"eos_token_id", 1},
      {"pad_token_id", 0},
      {"final_logit_softcapping", 30.0},
      {"head_dim", model.head_dim},
      {"global_head_dim", model.global_head_dim},
      {"hidden_activation", "gelu_pytorch_tanh"},
      {"hidden_size", model.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", model.intermediate},
      {"layer_types", layer_types(model)},
      {"max_position_embeddings", model.per_layer_input != 0 ? 131072 : 262144},
      {"num_attention_heads", model.heads},
      {"num_hidden_layers", model.layers},
      {"num_key_value_heads", model.kv_heads},
      {"num_global_key_value_heads", model.k_eq_v ? json(model.global_kv_heads) : json()},
      {"num_kv_shared_layers", model.kv_shared},
      {"rms_norm_eps", 1e-6},
      {"rope_parameters",
       {{"full_attention",
         {{"partial_rotary_factor", 0.25},
          {"rope_theta", 1000000.0},
          {"rope_type", "proportional"}}},
        {"sliding_attention", {{"rope_theta", 10000.0}, {"rope_type", "default"}}}}},
      {"sliding_window", model.window},
      {"tie_word_embeddings", true},
      {"use_cache", true},
      {"use_double_wide_mlp", model.double_wide},
      {"vocab_size", model.vocabulary},
  };
  if (model.embedders) return text;
  const bool experts = model.experts != 0;
  text["enable_moe_block"] = experts;
  text["num_experts"] = experts ? json(model.experts) : json();
  text["top_k_experts"] = experts ? json(model.experts_per_token) : json();
  text["moe_intermediate_size"] = experts ? json(model.expert_intermediate) : json();
  text["hidden_size_per_layer_input"] = model.per_layer_input;
  text["vocab_size_per_layer_input"] = model.vocabulary;
  return text;
}

json vision_config(const SynthVision& vision) {
  return {{"model_type", "gemma4_vision"},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"hidden_size", vision.hidden},
          {"intermediate_size", vision.intermediate},
          {"num_hidden_layers", vision.layers},
          {"num_attention_heads", vision.heads},
          {"num_key_value_heads", vision.heads},
          {"head_dim", vision.head_dim},
          {"patch_size", 16},
          {"pooling_kernel_size", 3},
          {"position_embedding_size", vision.positions},
          {"rms_norm_eps", 1e-6},
          {"standardize", vision.standardized},
          {"use_clipped_linears", vision.clipped}};
}

json audio_config(const SynthAudio& audio) {
  return {{"model_type", "gemma4_audio"},
          {"hidden_act", "silu"},
          {"hidden_size", audio.hidden},
          {"num_hidden_layers", audio.layers},
          {"num_attention_heads", audio.heads},
          {"output_proj_dims", audio.output},
          {"conv_kernel_size", 5},
          {"rms_norm_eps", 1e-6},
          {"subsampling_conv_channels", {128, 32}},
          {"use_clipped_linears", true}};
}

json gemma_config(const SynthModel& model) {
  json config = {{"model_type", std::string(model.family)},
                 {"dtype", "bfloat16"},
                 {"initializer_range", 0.02},
                 {"tie_word_embeddings", true},
                 {"text_config", gemma_text_config(model)},
                 {"vision_config", json()},
                 {"audio_config", json()}};
  config["architectures"] = {model.embedders ? "Gemma4UnifiedForConditionalGeneration"
                                             : "Gemma4ForConditionalGeneration"};
  if (model.vision) config["vision_config"] = vision_config(*model.vision);
  if (model.audio) config["audio_config"] = audio_config(*model.audio);
  if (model.embedders) {
    config["vision_config"] = {{"model_type", "gemma4_unified_vision"},
                               {"mm_embed_dim", model.hidden},
                               {"output_proj_dims", model.hidden},
                               {"mm_posemb_size", model.embedders->positions},
                               {"patch_size", 16},
                               {"pooling_kernel_size", 3}};
    config["audio_config"] = {{"model_type", "gemma4_unified_audio"},
                              {"audio_embed_dim", model.embedders->audio_frame}};
  }
  // Tokens that stand for images and sound; in a scaled vocabulary, its last ones.
  constexpr std::uint64_t kPublishedVocabulary = 262144;
  const std::vector<std::pair<const char*, std::uint64_t>> tokens = {
      {"boi_token_id", 255999},   {"boa_token_id", 256000}, {"image_token_id", 258880},
      {"audio_token_id", 258881}, {"eoi_token_id", 258882}, {"eoa_token_index", 258883},
      {"video_token_id", 258884}};
  for (std::size_t n = 0; n < tokens.size(); ++n) {
    const bool fits = model.vocabulary >= kPublishedVocabulary || tokens.size() > model.vocabulary;
    config[tokens[n].first] = fits ? tokens[n].second : model.vocabulary - tokens.size() + n;
  }
  return config;
}

json llama_config(const SynthModel& model) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"dtype", "bfloat16"},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"bos_token_id", 0},
          {"eos_token_id", 1},
          {"head_dim", model.head_dim},
          {"hidden_act", "silu"},
          {"hidden_size", model.hidden},
          {"initializer_range", 0.02},
          {"intermediate_size", model.intermediate},
          {"max_position_embeddings", 8192},
          {"mlp_bias", false},
          {"num_attention_heads", model.heads},
          {"num_hidden_layers", model.layers},
          {"num_key_value_heads", model.kv_heads},
          {"rms_norm_eps", 1e-5},
          {"rope_parameters", {{"rope_theta", 500000.0}, {"rope_type", "default"}}},
          {"tie_word_embeddings", false},
          {"use_cache", true},
          {"vocab_size", model.vocabulary}};
}

}  // namespace

nlohmann::json synth_config(const SynthModel& model) {
  return model.family == "llama" ? llama_config(model) : gemma_config(model);
}

}  // namespace contourfuse
