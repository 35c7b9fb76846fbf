// Collection and checking of each layer's gate, up and down.
#include "mlp_layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/shape.hpp"

namespace contourfuse {
namespace {

constexpr std::array<Role, 3> kRoles = {Role::kGate, Role::kUp, Role::kDown};

struct Found {
  std::array<std::optional<TensorPlace>, 3> dense{};
  bool fused = false;
};

/// Layers and layouts, by name alone.
struct Survey {
  std::map<std::uint64_t, Found> layers{};
  std::map<MlpLayout, std::set<std::uint64_t>> others{};  ///< layers of each other layout
};

Survey survey_names(const Checkpoint& checkpoint) {
  Survey survey;
  for (const TensorPlace& place : checkpoint.by_name) {
    const TensorInfo& tensor = checkpoint.shards[place.shard].header.tensors()[place.tensor];
    const auto name = match_mlp_name(tensor.name);
    if (!name) continue;
    if (name->layout == MlpLayout::kDense) {
      auto& slot = survey.layers[name->layer].dense[static_cast<std::size_t>(name->role)];
      if (slot) {
        throw Error(
            Failure::kBadInput, "mlp-twice",
            fmt::format("layer {} has two {} projections", name->layer, to_string(name->role)),
            Place{.file = checkpoint.shards[place.shard].file, .tensor = tensor.name});
      }
      slot = place;
    } else {
      survey.others[name->layout].insert(name->layer);
      if (name->layout == MlpLayout::kFusedGateUp) survey.layers[name->layer].fused = true;
    }
  }
  return survey;
}

class LayerBuilder {
 public:
  LayerBuilder(Checkpoint& checkpoint, std::uint64_t layer, std::uint64_t layer_count)
      : checkpoint_(checkpoint) {
    built_.layer = layer;
    built_.kind = checkpoint.config.kind_of(layer, layer_count);
  }

  /// Nothing if no matrix of the layer can be used.
  std::optional<MlpLayer> build(const Found& found) {
    for (const Role role : kRoles) {
      if (const auto& place = found.dense[static_cast<std::size_t>(role)]) add(role, *place);
    }
    for (const Role role : kRoles) {
      if (built_.role(role)) check_against_sizes(role);
    }
    if (built_.intermediate_size == 0) return std::nullopt;
    return std::move(built_);
  }

 private:
  void add(Role role, const TensorPlace& place) {
    const Shard& shard = checkpoint_.shards[place.shard];
    const TensorInfo& tensor = shard.header.tensors()[place.tensor];
    if (tensor.shape.size() != 2 || tensor.shape[0] == 0 || tensor.shape[1] == 0) {
      if (is_editable(tensor.dtype)) {
        refuse(shard, tensor,
               fmt::format("a {} projection must be a matrix, this has shape {}", to_string(role),
                           to_string(tensor.shape)));
      }
      checkpoint_.notes.push_back(fmt::format("{} is packed as {} {} and is left as it is",
                                              tensor.name, dtype_name(tensor.dtype),
                                              to_string(tensor.shape)));
      return;
    }
    MlpMatrix matrix;
    matrix.shard = place.shard;
    matrix.view = MatrixView{.tensor = tensor.name,
                             .rows = tensor.shape[0],
                             .cols = tensor.shape[1],
                             .dtype = tensor.dtype,
                             .file_offset = shard.header.file_range(tensor).begin};
    if (built_.intermediate_size == 0) {
      const bool transposed = role == Role::kDown;
      built_.intermediate_size = tensor.shape[transposed ? 1 : 0];
      built_.hidden_size = tensor.shape[transposed ? 0 : 1];
    }
    built_.roles[static_cast<std::size_t>(role)] = std::move(matrix);
  }

  /// Every matrix against the sizes that the first one gave.
  void check_against_sizes(Role role) const {
    const MlpMatrix& matrix = *built_.role(role);
    std::uint64_t rows = built_.intermediate_size;
    std::uint64_t cols = built_.hidden_size;
    if (role == Role::kDown) std::swap(rows, cols);
    if ((matrix.view.rows == rows && matrix.view.cols == cols) || any_packed()) return;
    const Shard& shard = checkpoint_.shards[matrix.shard];
    refuse(shard, *shard.header.find(matrix.view.tensor),
           fmt::format("has shape [{}, {}] where the layer's other projections need [{}, {}]",
                       matrix.view.rows, matrix.view.cols, rows, cols));
  }

  [[nodiscard]] bool any_packed() const {
    return std::ranges::any_of(built_.roles, [](const auto& matrix) {
      return matrix && !is_editable(matrix->view.dtype);
    });
  }

  [[noreturn]] static void refuse(const Shard& shard, const TensorInfo& tensor,
                                  std::string message) {
    throw Error(
        Failure::kBadInput, "mlp-shape", std::move(message),
        Place{.file = shard.file, .tensor = tensor.name, .bytes = shard.header.file_range(tensor)});
  }

  Checkpoint& checkpoint_;
  MlpLayer built_{};
};

void mark_double_wide(std::vector<MlpLayer>& layers) {
  std::uint64_t smallest = std::numeric_limits<std::uint64_t>::max();
  for (const MlpLayer& layer : layers) smallest = std::min(smallest, layer.intermediate_size);
  for (MlpLayer& layer : layers) {
    layer.double_wide = layer.intermediate_size % 2 == 0 && layer.intermediate_size / 2 == smallest;
  }
}

}  // namespace

void find_mlp_layers(Checkpoint& checkpoint) {
  const Survey survey = survey_names(checkpoint);
  std::uint64_t layer_count = checkpoint.config.layers.value_or(0);
  if (layer_count == 0 && !survey.layers.empty()) layer_count = survey.layers.rbegin()->first + 1;
  for (const auto& [number, found] : survey.layers) {
    // A fused gate and up comes with a down projection of the dense name (Phi-3).
    if (found.fused) continue;
    auto layer = LayerBuilder(checkpoint, number, layer_count).build(found);
    if (!layer) continue;
    for (const Role role : kRoles) {
      if (!found.dense[static_cast<std::size_t>(role)]) {
        checkpoint.notes.push_back(
            fmt::format("layer {} has no {} projection", number, to_string(role)));
      }
    }
    checkpoint.layers.push_back(std::move(*layer));
  }
  mark_double_wide(checkpoint.layers);
  for (const auto& [layout, layers] : survey.others) {
    checkpoint.notes.push_back(fmt::format("{} {}: {}; left as they are", layers.size(),
                                           layers.size() == 1 ? "layer has" : "layers have",
                                           describe(layout)));
  }
}

}  // namespace contourfuse
