// Dimensions of the published models, and their scaling.
#include "synth_models.hpp"

#include <algorithm>

namespace contourfuse {
namespace {

/// Tensor sizes are whole numbers of this many elements.
constexpr std::uint64_t kMultiple = 8;
constexpr std::uint64_t kOneFile = ~std::uint64_t{0};

std::vector<SynthModel> make_table() {
  const SynthVision large_vision{.layers = 27,
                                 .hidden = 1152,
                                 .intermediate = 4304,
                                 .heads = 16,
                                 .head_dim = 72,
                                 .standardized = true};
  const SynthVision small_vision{.layers = 16,
                                 .hidden = 768,
                                 .intermediate = 3072,
                                 .heads = 12,
                                 .head_dim = 64,
                                 .clipped = true};
  SynthModel gemma{.family = "gemma4",
                   .vocabulary = 262144,
                   .head_dim = 256,
                   .global_head_dim = 512,
                   .k_eq_v = true,
                   .period = 6,
                   .window = 1024,
                   .max_shard_bytes = 50'000'000'000};
  std::vector<SynthModel> table;

  SynthModel model = gemma;
  model.name = "31b";
  model.layers = 60;
  model.hidden = 5376;
  model.intermediate = 21504;
  model.heads = 32;
  model.kv_heads = 16;
  model.global_kv_heads = 4;
  model.vision = large_vision;
  table.push_back(model);

  model = gemma;
  model.name = "26b-a4b";
  model.layers = 30;
  model.hidden = 2816;
  model.intermediate = 2112;
  model.heads = 16;
  model.kv_heads = 8;
  model.global_kv_heads = 2;
  model.experts = 128;
  model.expert_intermediate = 704;
  model.experts_per_token = 8;
  model.vision = large_vision;
  table.push_back(model);

  gemma.k_eq_v = false;
  gemma.window = 512;
  gemma.max_shard_bytes = kOneFile;
  model = gemma;
  model.name = "e4b";
  model.layers = 42;
  model.hidden = 2560;
  model.intermediate = 10240;
  model.heads = 8;
  model.kv_heads = 2;
  model.global_kv_heads = 2;
  model.kv_shared = 18;
  model.per_layer_input = 256;
  model.vision = small_vision;
  model.audio = SynthAudio{};
  table.push_back(model);

  model.name = "e2b";
  model.layers = 35;
  model.hidden = 1536;
  model.intermediate = 6144;
  model.kv_heads = 1;
  model.global_kv_heads = 1;
  model.period = 5;
  model.kv_shared = 20;
  model.double_wide = true;
  table.push_back(model);

  model = gemma;
  model.name = "12b";
  model.family = "gemma4_unified";
  model.layers = 48;
  model.hidden = 3840;
  model.intermediate = 15360;
  model.heads = 16;
  model.kv_heads = 8;
  model.global_kv_heads = 1;
  model.k_eq_v = true;
  model.window = 1024;
  model.embedders = SynthEmbedders{};
  table.push_back(model);

  table.push_back({.name = "llama",
                   .family = "llama",
                   .layers = 32,
                   .hidden = 4096,
                   .intermediate = 14336,
                   .vocabulary = 128256,
                   .heads = 32,
                   .kv_heads = 8,
                   .head_dim = 128,
                   .global_kv_heads = 8,
                   .global_head_dim = 128,
                   .max_shard_bytes = 5'000'000'000});
  return table;
}

/// Both factors below 2^31, see synthesize().
struct Scale {
  std::uint64_t numerator;
  std::uint64_t denominator;

  [[nodiscard]] std::uint64_t round(std::uint64_t size, std::uint64_t multiple) const {
    const std::uint64_t unit = denominator * multiple;
    return std::max<std::uint64_t>((size * numerator + unit / 2) / unit, 1) * multiple;
  }
  void dimension(std::uint64_t& size) const {
    if (size != 0) size = round(size, kMultiple);
  }
  void count(std::uint64_t& size) const {
    if (size != 0) size = round(size, 1);
  }
};

}  // namespace

const std::vector<SynthModel>& synth_model_table() {
  static const std::vector<SynthModel> table = make_table();
  return table;
}

SynthModel scaled(SynthModel model, std::uint64_t numerator, std::uint64_t denominator) {
  if (numerator == denominator) return model;
  const Scale scale{numerator, denominator};
  for (std::uint64_t* size :
       {&model.hidden, &model.intermediate, &model.vocabulary, &model.head_dim,
        &model.global_head_dim, &model.per_layer_input, &model.expert_intermediate}) {
    scale.dimension(*size);
  }
  for (std::uint64_t* count : {&model.heads, &model.kv_heads, &model.global_kv_heads,
                               &model.experts, &model.experts_per_token}) {
    scale.count(*count);
  }
  // Attention needs whole groups of query heads.
  const std::uint64_t group = std::max(model.kv_heads, model.global_kv_heads);
  model.kv_heads = group / std::max<std::uint64_t>(group / model.kv_heads, 1);
  model.heads = std::max(model.heads / group, std::uint64_t{1}) * group;
  while (model.heads % model.kv_heads != 0) --model.kv_heads;
  while (model.heads % model.global_kv_heads != 0) --model.global_kv_heads;
  if (model.experts != 0)
    model.experts_per_token = std::min(model.experts_per_token, model.experts);
  if (model.vision) {
    scale.dimension(model.vision->hidden);
    scale.dimension(model.vision->intermediate);
    scale.dimension(model.vision->head_dim);
    scale.dimension(model.vision->positions);
    scale.count(model.vision->heads);
  }
  if (model.audio) {
    scale.count(model.audio->heads);
    // The head size is hidden / heads.
    model.audio->hidden = scale.round(model.audio->hidden, kMultiple * model.audio->heads);
    scale.dimension(model.audio->output);
  }
  if (model.embedders) {
    scale.dimension(model.embedders->positions);
    scale.dimension(model.embedders->audio_frame);
  }
  return model;
}

SynthModel with_layers(SynthModel model, std::uint64_t layers) {
  model.kv_shared = model.kv_shared * layers / model.layers;
  // A shared layer reads the keys of an earlier layer of its kind: one period must own theirs.
  model.kv_shared = std::min(model.kv_shared, layers - std::min(layers, model.period));
  model.layers = layers;
  return model;
}

}  // namespace contourfuse
