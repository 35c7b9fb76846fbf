// Which norms stand around an MLP, and their factors.
#include "contourfuse/model/layer_norms.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/numeric/float_formats.hpp"

namespace contourfuse {
namespace {

/// "model.layers.5." of the tensor model.layers.5.mlp.down_proj.weight.
std::string layer_prefix(const MlpLayer& layer) {
  for (const auto& matrix : layer.roles) {
    if (!matrix) continue;
    const std::string& name = matrix->view.tensor;
    const std::size_t mlp = name.find(".mlp.");
    if (mlp != std::string::npos) return name.substr(0, mlp + 1);
  }
  return {};
}

bool has_offset(std::string_view family) {
  return family.starts_with("gemma") && !family.starts_with("gemma3n") &&
         !family.starts_with("gemma4");
}

template <class Format>
void widen_all(const std::vector<std::byte>& bytes, std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    typename Format::Stored stored{};
    std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
    values[i] = Format::widen(stored);
  }
}

}  // namespace

LayerNorms find_layer_norms(const Checkpoint& checkpoint, const MlpLayer& layer) {
  const std::string prefix = layer_prefix(layer);
  const auto existing = [&](std::string_view name) {
    std::string tensor = fmt::format("{}{}.weight", prefix, name);
    return checkpoint.find(tensor) ? tensor : std::string();
  };
  LayerNorms norms;
  norms.offset = has_offset(checkpoint.config.family);
  norms.epsilon = checkpoint.config.rms_norm_eps.value_or(norms.epsilon);
  norms.after = existing("post_feedforward_layernorm_1");
  if (norms.after.empty()) norms.after = existing("post_feedforward_layernorm");
  norms.before = existing("pre_feedforward_layernorm");
  if (norms.before.empty() && norms.after.empty()) {
    norms.before = existing("post_attention_layernorm");
  }
  return norms;
}

std::vector<float> read_norm_weight(const Checkpoint& checkpoint, const MlpLayer& layer,
                                    const LayerNorms& norms, const std::string& tensor) {
  const auto found = checkpoint.find(tensor);
  if (!found) {
    throw Error(Failure::kBadInput, "missing-tensor", "the checkpoint has no such tensor",
                {.file = checkpoint.folder.string(), .tensor = tensor});
  }
  const auto& [shard_index, info] = *found;
  const Shard& shard = checkpoint.shards[shard_index];
  const std::filesystem::path path = checkpoint.folder / shard.file;
  if (info->shape != Shape{layer.hidden_size} || !is_editable(info->dtype)) {
    throw Error(Failure::kBadInput, "bad-norm",
                fmt::format("the norm is {} {}, and [{}] of BF16, F16 or F32 is needed",
                            dtype_name(info->dtype), to_string(info->shape), layer.hidden_size),
                {.file = path.string(), .tensor = tensor});
  }
  std::vector<std::byte> bytes(info->end - info->begin);
  File::open(path).read(shard.header.file_range(*info).begin, bytes);
  std::vector<float> values(layer.hidden_size);
  switch (info->dtype) {
    case DType::kBF16:
      widen_all<Bf16>(bytes, values);
      break;
    case DType::kF16:
      widen_all<F16>(bytes, values);
      break;
    default:
      widen_all<F32>(bytes, values);
  }
  if (norms.offset) {
    for (float& value : values) value += 1;
  }
  return values;
}

}  // namespace contourfuse
