// Opening a delta folder or recipe, and reading its matrices.
#include "contourfuse/fusion/delta.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/model/confined.hpp"
#include "contourfuse/neuron/generator.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

class StoredReader final : public DeltaReader {
 public:
  StoredReader(std::shared_ptr<const File> file, std::uint64_t offset, std::uint64_t element_bytes)
      : file_(std::move(file)), offset_(offset), element_bytes_(element_bytes) {}

  void read(std::uint64_t first, std::span<std::byte> out) const override {
    file_->read(offset_ + first * element_bytes_, out);
  }
  [[nodiscard]] bool stored() const noexcept override { return true; }
  [[nodiscard]] std::optional<StoredElements> place() const override {
    return StoredElements{file_.get(), offset_};
  }

 private:
  std::shared_ptr<const File> file_;
  std::uint64_t offset_;
  std::uint64_t element_bytes_;
};

class RecipeReader final : public DeltaReader {
 public:
  RecipeReader(const DeltaRecipe& recipe, const RecipeLayer& layer, Role role)
      : recipe_(recipe), layer_(layer), role_(role) {}

  void read(std::uint64_t first, std::span<std::byte> out) const override {
    // Buffers of elements are aligned for them (backend.hpp).
    auto* elements = static_cast<std::uint16_t*>(static_cast<void*>(out.data()));
    generator().generate(role_, first, {elements, out.size() / sizeof(std::uint16_t)});
  }
  [[nodiscard]] std::optional<DeltaTables> tables() const override {
    return generator().tables(role_);
  }
  void release() const override { generator_.reset(); }
  [[nodiscard]] bool stored() const noexcept override { return false; }

 private:
  // A layer's tables are made when it is first read: 2 MB a layer would add up over a checkpoint.
  const LayerGenerator& generator() const {
    std::call_once(made_,
                   [this] { generator_ = std::make_unique<LayerGenerator>(recipe_, layer_); });
    return *generator_;
  }

  const DeltaRecipe& recipe_;
  const RecipeLayer& layer_;
  Role role_;
  mutable std::once_flag made_{};
  mutable std::unique_ptr<const LayerGenerator> generator_{};
};

std::vector<fs::path> safetensors_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& entry : list_folder(folder)) {
    if (entry.extension() == ".safetensors" && !entry.filename().string().starts_with('.')) {
      files.push_back(confined(folder, entry.filename()));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

const MatrixView& view_of(const MlpLayer& layer, Role role) {
  const auto& matrix = layer.role(role);
  if (!matrix) {
    throw Error(Failure::kBadInput, "missing-tensor",
                fmt::format("layer {} has no {} projection", layer.layer, to_string(role)));
  }
  return matrix->view;
}

}  // namespace

Delta Delta::open(const fs::path& path) {
  Delta delta;
  delta.path_ = path;
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  if (!is_folder && !fs::exists(path, ignored)) {
    throw Error(Failure::kBadInput, "weights-not-found", "no such delta", {.file = path.string()},
                "make one with `contourfuse generate --base-model MODEL --output-dir FOLDER`");
  }
  const fs::path recipe_file = is_folder ? path / "delta.json" : path;
  if (!is_folder || fs::exists(recipe_file, ignored)) {
    // One that is named itself may be a link to anywhere.
    delta.recipe_ = read_recipe(is_folder ? confined(path, "delta.json") : path);
    if (!is_folder) delta.recipe_->stored = false;  // the recipe alone suffices
  }
  if (delta.on_the_fly()) return delta;
  for (const fs::path& file : safetensors_files(path)) {
    const SafetensorsHeader header = read_safetensors_header(file);
    const std::size_t index = delta.files_.size();
    delta.files_.push_back(std::make_shared<const File>(File::open(file)));
    delta.data_begin_.push_back(header.data_begin());
    for (const TensorInfo& tensor : header.tensors()) {
      const auto [first, inserted] = delta.stored_.emplace(tensor.name, Stored{index, tensor});
      if (!inserted) {
        throw Error(Failure::kBadInput, "delta-tensor-twice",
                    fmt::format("the tensor also stands in {}",
                                delta.files_[first->second.file]->path().string()),
                    {.file = file.string(), .tensor = tensor.name});
      }
    }
  }
  delta.check_index();
  if (delta.stored_.empty()) {
    throw Error(
        Failure::kBadInput, "weights-not-found", "the folder holds no delta",
        {.file = path.string()},
        "a delta folder holds delta.json or safetensors files with the base's tensor names");
  }
  return delta;
}

void Delta::check_index() const {
  for (const char* name : {"delta.safetensors.index.json", "model.safetensors.index.json"}) {
    std::error_code ignored;
    if (!fs::exists(path_ / name, ignored)) continue;
    const fs::path index = confined(path_, name);
    const nlohmann::json document = read_json(index);
    const auto map = document.find("weight_map");
    if (map == document.end() || !map->is_object()) {
      throw Error(Failure::kBadInput, "json-field", "weight_map must be an object of file names",
                  {.file = index.string()});
    }
    for (const auto& [tensor, file] : map->items()) {
      const auto found = stored_.find(tensor);
      if (found != stored_.end() && file.is_string() &&
          files_[found->second.file]->path().filename() == file.get<std::string>()) {
        continue;
      }
      throw Error(Failure::kBadInput, "delta-incomplete",
                  "the index places the tensor in a file that is missing or does not hold it",
                  {.file = index.string(), .tensor = tensor},
                  "was the delta copied as a whole? Generate it again if not");
    }
  }
}

std::vector<std::string> Delta::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(stored_.size());
  for (const auto& [name, stored] : stored_) names.push_back(name);
  return names;
}

std::optional<DeltaMatrix> Delta::find(const MlpLayer& layer, Role role) const {
  if (!layer.role(role)) return std::nullopt;
  if (on_the_fly()) {
    const RecipeLayer* planned = recipe_->find_layer(layer.layer);
    if (planned == nullptr) return std::nullopt;
    Shape shape{planned->intermediate_size, planned->hidden_size};
    if (role == Role::kDown) std::swap(shape[0], shape[1]);
    return DeltaMatrix{shape, DType::kBF16};
  }
  const auto found = stored_.find(view_of(layer, role).tensor);
  if (found == stored_.end()) return std::nullopt;
  return DeltaMatrix{found->second.tensor.shape, found->second.tensor.dtype};
}

std::unique_ptr<DeltaReader> Delta::reader(const MlpLayer& layer, Role role) const {
  if (on_the_fly()) {
    return std::make_unique<RecipeReader>(*recipe_, *recipe_->find_layer(layer.layer), role);
  }
  const Stored& stored = stored_.at(view_of(layer, role).tensor);
  return std::make_unique<StoredReader>(files_[stored.file],
                                        data_begin_[stored.file] + stored.tensor.begin,
                                        editable_bytes(stored.tensor.dtype));
}

std::string Delta::place(const MlpLayer& layer, Role role) const {
  if (on_the_fly()) return path_.string();
  const auto found = stored_.find(view_of(layer, role).tensor);
  return found == stored_.end() ? path_.string() : files_[found->second.file]->path().string();
}

}  // namespace contourfuse
