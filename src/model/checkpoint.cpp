// Opening of a checkpoint.
#include "contourfuse/model/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "checkpoint_folder.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/core/shape.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/model/confined.hpp"
#include "contourfuse/model/hub_cache.hpp"
#include "mlp_layers.hpp"
#include "shard_index.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

const TensorInfo& tensor_at(const std::vector<Shard>& shards, const TensorPlace& place) {
  return shards[place.shard].header.tensors()[place.tensor];
}

void require_folder(const fs::path& folder) {
  std::error_code failure;
  if (fs::is_directory(folder, failure)) return;
  throw Error(Failure::kBadInput, "not-a-folder",
              failure ? fmt::format("cannot be read: {}", failure.message())
                      : std::string("is no folder; a checkpoint is a folder with config.json and "
                                    "safetensors files"),
              Place{.file = folder.string()});
}

ModelConfig read_config(const fs::path& folder) {
  if (!has_entry(folder, "config.json")) {
    throw Error(Failure::kBadInput, "config-missing", "has no config.json",
                Place{.file = folder.string()},
                "a checkpoint is a folder with config.json and safetensors files");
  }
  const fs::path path = confined(folder, "config.json");
  return parse_config(read_text(path, kMaxJsonBytes), path.string());
}

/// Nothing if the folder has one model.safetensors and no index.
std::optional<ShardIndex> read_index(const fs::path& folder) {
  if (has_entry(folder, std::string(kIndexName))) {
    const fs::path path = confined(folder, kIndexName);
    return parse_shard_index(read_text(path, kMaxJsonBytes), path.string());
  }
  if (has_entry(folder, std::string(kSingleShardName))) return std::nullopt;
  throw Error(Failure::kBadInput, "weights-missing",
              fmt::format("has neither {} nor {}", kIndexName, kSingleShardName),
              Place{.file = folder.string()},
              "only safetensors checkpoints in the Hugging Face layout are read");
}

Shard read_shard(const fs::path& folder, const std::string& name) {
  if (!has_entry(folder, name)) {
    throw Error(Failure::kBadInput, "missing-shard", "the index names this shard, it is not there",
                Place{.file = (folder / name).string()}, "fetch the checkpoint again, completely");
  }
  const fs::path path = confined(folder, name);
  const FileIdentity identity = File::open(path).identity();
  return Shard{name, read_safetensors_header(path), identity};
}

/// All tensors by name; of a name that several shards hold, the one that the index means.
std::vector<TensorPlace> sort_by_name(const std::vector<Shard>& shards, const ShardIndex* index) {
  std::vector<TensorPlace> places;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    const auto& tensors = shards[shard].header.tensors();
    for (std::size_t tensor = 0; tensor < tensors.size(); ++tensor) {
      if (index != nullptr) {
        const auto known = index->shard_of.find(tensors[tensor].name);
        if (known != index->shard_of.end() && known->second != shards[shard].file) continue;
      }
      places.push_back({shard, tensor});
    }
  }
  const auto name = [&shards](const TensorPlace& place) -> const std::string& {
    return tensor_at(shards, place).name;
  };
  std::ranges::stable_sort(places, {}, name);
  const auto same = [&name](const TensorPlace& a, const TensorPlace& b) {
    return name(a) == name(b);
  };
  places.erase(std::unique(places.begin(), places.end(), same), places.end());
  return places;
}

bool has_editable_matrix(const MlpLayer& layer) {
  return std::ranges::any_of(
      layer.roles, [](const auto& matrix) { return matrix && is_editable(matrix->view.dtype); });
}

}  // namespace

const MlpLayer* Checkpoint::find_layer(std::uint64_t layer) const noexcept {
  const auto place = std::ranges::lower_bound(layers, layer, {}, &MlpLayer::layer);
  return place != layers.end() && place->layer == layer ? &*place : nullptr;
}

std::optional<std::pair<std::size_t, const TensorInfo*>> Checkpoint::find(
    std::string_view tensor) const noexcept {
  const auto name = [this](const TensorPlace& place) -> std::string_view {
    return tensor_at(shards, place).name;
  };
  const auto place = std::ranges::lower_bound(by_name, tensor, {}, name);
  if (place == by_name.end() || name(*place) != tensor) return std::nullopt;
  return std::pair(place->shard, &tensor_at(shards, *place));
}

std::uint64_t Checkpoint::tensor_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const Shard& shard : shards) bytes += shard.header.file_bytes() - shard.header.data_begin();
  return bytes;
}

std::uint64_t Checkpoint::mlp_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const MlpLayer& layer : layers) {
    for (const auto& matrix : layer.roles) {
      if (!matrix) continue;
      const TensorInfo* tensor = shards[matrix->shard].header.find(matrix->view.tensor);
      if (tensor != nullptr) bytes += tensor->end - tensor->begin;
    }
  }
  return bytes;
}

Checkpoint open_checkpoint(const std::string& model, const std::string& revision) {
  Checkpoint checkpoint;
  checkpoint.folder = resolve_model(model, revision);
  require_folder(checkpoint.folder);
  checkpoint.config = read_config(checkpoint.folder);
  const std::optional<ShardIndex> index = read_index(checkpoint.folder);
  const std::set<std::string, std::less<>> names =
      index ? index->shards : std::set<std::string, std::less<>>{std::string(kSingleShardName)};
  for (const std::string& name : names) {
    checkpoint.shards.push_back(read_shard(checkpoint.folder, name));
  }
  if (index) {
    std::map<std::string, const SafetensorsHeader*, std::less<>> headers;
    for (const Shard& shard : checkpoint.shards) headers.emplace(shard.file, &shard.header);
    checkpoint.index_problems = check_shard_index(*index, headers);
  }
  checkpoint.by_name = sort_by_name(checkpoint.shards, index ? &*index : nullptr);
  find_mlp_layers(checkpoint);
  checkpoint.side_files = list_side_files(checkpoint.folder, names);
  return checkpoint;
}

void require_dense_mlps(const Checkpoint& checkpoint) {
  if (checkpoint.layers.empty()) {
    std::set<MlpLayout> layouts;
    for (const TensorPlace& place : checkpoint.by_name) {
      const auto name = match_mlp_name(tensor_at(checkpoint.shards, place).name);
      // The down projection of a fused gate and up has a dense name.
      if (name && name->layout != MlpLayout::kDense) layouts.insert(name->layout);
    }
    std::string found;
    for (const MlpLayout layout : layouts) {
      found += fmt::format("{}{}", found.empty() ? "" : " and ", describe(layout));
    }
    const std::string& family = checkpoint.config.family;
    throw Error(Failure::kBadInput, "no-dense-mlp",
                fmt::format("{} keeps its MLPs as {}; only dense "
                            "mlp.{{gate,up,down}}_proj.weight tensors can be edited",
                            family.empty() ? "this model" : family,
                            found.empty() ? "no tensors that are known" : found),
                Place{.file = checkpoint.folder.string()});
  }
  if (std::ranges::any_of(checkpoint.layers, has_editable_matrix)) return;
  for (const auto& matrix : checkpoint.layers.front().roles) {
    if (!matrix) continue;
    throw Error(Failure::kBadInput, "dtype-not-editable",
                fmt::format("is stored as {}; only BF16, F16 and F32 weights can be edited",
                            dtype_name(matrix->view.dtype)),
                Place{.file = checkpoint.shards[matrix->shard].file, .tensor = matrix->view.tensor},
                "use the model's unquantised checkpoint");
  }
}

std::string checkpoint_digest(const Checkpoint& checkpoint) {
  Hash128 hash;
  // A name may hold any character, so that each field begins with its length.
  const auto field = [&hash](std::string_view text) {
    hash.update(fmt::format("{}:", text.size()));
    hash.update(text);
  };
  field("contourfuse.checkpoint/1");
  field(checkpoint.config.family);
  for (const TensorPlace& place : checkpoint.by_name) {
    const TensorInfo& tensor = tensor_at(checkpoint.shards, place);
    field(tensor.name);
    field(dtype_name(tensor.dtype));
    field(to_string(tensor.shape));
  }
  return hash.hex();
}

}  // namespace contourfuse
