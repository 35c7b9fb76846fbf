// A checkpoint folder: config, shards, index, and the MLPs of its layers.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/matrix_view.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/model/architecture.hpp"
#include "contourfuse/model/config.hpp"

namespace contourfuse {

struct Shard {
  std::string file{};  ///< plain file name
  SafetensorsHeader header;
  FileIdentity identity{};
};

/// One role of one layer: where its matrix lies.
struct MlpMatrix {
  std::size_t shard = 0;  ///< index into Checkpoint::shards
  MatrixView view{};
};

/// The dense MLP of one layer; gate and up are [I, H], down is [H, I]. A role whose tensor is
/// missing is empty.
struct MlpLayer {
  std::uint64_t layer = 0;
  LayerKind kind = LayerKind::kGlobal;
  std::uint64_t hidden_size = 0;
  std::uint64_t intermediate_size = 0;
  bool double_wide = false;  ///< I is twice the smallest of the checkpoint
  std::array<std::optional<MlpMatrix>, 3> roles{};

  [[nodiscard]] const std::optional<MlpMatrix>& role(Role r) const {
    return roles[static_cast<std::size_t>(r)];
  }
};

/// A tensor by shard and by place in that shard's header.
struct TensorPlace {
  std::size_t shard = 0;   ///< index into Checkpoint::shards
  std::size_t tensor = 0;  ///< index into that header's tensors()
};

struct Checkpoint {
  std::filesystem::path folder{};
  ModelConfig config{};
  std::vector<Shard> shards{};                ///< by file name
  std::vector<MlpLayer> layers{};             ///< layers with a dense MLP, ascending
  std::vector<std::string> index_problems{};  ///< warnings about the index, in words
  std::vector<std::string>
      notes{};  ///< "expert tensors beside the dense MLPs are left as they are"
  std::vector<std::filesystem::path> side_files{};  ///< relative paths of all other files to copy
  std::vector<TensorPlace> by_name{};  ///< every tensor once, by name; a name that two shards hold
                                       ///< stands where the index places it

  [[nodiscard]] const MlpLayer* find_layer(std::uint64_t layer) const noexcept;
  /// Shard index and header entry of a tensor.
  [[nodiscard]] std::optional<std::pair<std::size_t, const TensorInfo*>> find(
      std::string_view tensor) const noexcept;
  /// Bytes of all tensors, from the headers.
  [[nodiscard]] std::uint64_t tensor_bytes() const noexcept;
  /// Bytes of gate, up and down of the dense text MLPs.
  [[nodiscard]] std::uint64_t mlp_bytes() const noexcept;
};

/// Opens a folder or hub id (resolve_model); reads headers only. Fatal, as Error{kBadInput}: a
/// missing shard, a tensor that is not in the shard the index says, a shard name that is no plain
/// file name, a link out of the folder other than the hub cache's own, shapes of a layer's MLP that
/// do not fit each other (of editable types only: packed quantised weights have shapes of their
/// own).
[[nodiscard]] Checkpoint open_checkpoint(const std::string& model,
                                         const std::string& revision = {});

/// Throws Error{kBadInput, "no-dense-mlp"} naming the family and the layouts found, if the
/// checkpoint has no dense MLP, and Error{kBadInput, "dtype-not-editable"} naming a tensor if it
/// has some but none of a type that can be edited.
void require_dense_mlps(const Checkpoint& checkpoint);

/// XXH3-128 of the family and of every tensor's name, dtype and shape, whatever the shard split:
/// "is this the same kind of model".
[[nodiscard]] std::string checkpoint_digest(const Checkpoint& checkpoint);

}  // namespace contourfuse
