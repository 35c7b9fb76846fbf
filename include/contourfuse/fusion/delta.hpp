// A delta as the user names it: stored or recipe, ours or another tool's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/shape.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/model/checkpoint.hpp"
#include "contourfuse/neuron/recipe.hpp"

namespace contourfuse {

/// Shape and type of one delta matrix.
struct DeltaMatrix {
  Shape shape{};
  DType dtype = DType::kBF16;
};

class Delta {
 public:
  /// `path` is a folder (with delta.json, or safetensors files whose tensors bear base names) or a
  /// delta.json. Throws Error{kBadInput} for a tensor that stands in two files.
  static Delta open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const std::optional<DeltaRecipe>& recipe() const noexcept { return recipe_; }
  [[nodiscard]] bool on_the_fly() const noexcept { return recipe_ && !recipe_->stored; }
  /// The files it is stored in; of a recipe delta none.
  [[nodiscard]] const std::vector<std::shared_ptr<const File>>& files() const noexcept {
    return files_;
  }
  /// Names of the stored tensors; of a recipe delta none.
  [[nodiscard]] std::vector<std::string> tensor_names() const;
  /// The delta for a role of a base layer, if it has one.
  [[nodiscard]] std::optional<DeltaMatrix> find(const MlpLayer& layer, Role role) const;
  /// A reader of it.
  [[nodiscard]] std::unique_ptr<DeltaReader> reader(const MlpLayer& layer, Role role) const;
  /// The file it lies in, for messages.
  [[nodiscard]] std::string place(const MlpLayer& layer, Role role) const;

 private:
  /// Every tensor of the folder's index lies where the index says.
  void check_index() const;

  struct Stored {
    std::size_t file = 0;
    TensorInfo tensor{};
  };
  std::filesystem::path path_{};
  std::optional<DeltaRecipe> recipe_{};
  std::vector<std::shared_ptr<const File>> files_{};
  std::vector<std::uint64_t> data_begin_{};
  std::map<std::string, Stored> stored_{};
};

}  // namespace contourfuse
