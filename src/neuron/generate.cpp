// A delta folder: recipe, one file per layer, index; published as a whole.
#include "contourfuse/neuron/generate.hpp"

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "bank_rules.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/free_space.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/neuron/generator.hpp"
#include "delta_base.hpp"
#include "recipe_rules.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr Role kGeneratedRoles[] = {Role::kGate, Role::kUp, Role::kDown};
// A buffer of 1 MiB stays in L2 between being made and being written.
constexpr std::uint64_t kChunkElements = std::uint64_t{1} << 19;
// Early writeback: the final fsync then has little left to wait for.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;

struct LayerMatrix {
  Role role = Role::kGate;
  std::string name{};
  std::uint64_t offset = 0;  // in the file
  std::uint64_t elements = 0;
};

// The file of one layer: header and where each matrix goes.
struct LayerFile {
  std::string file{};
  std::string header{};
  std::vector<LayerMatrix> matrices{};  // by name
  std::uint64_t payload_bytes = 0;

  [[nodiscard]] std::uint64_t bytes() const { return header.size() + payload_bytes; }
};

LayerFile plan_file(const MlpLayer& layer) {
  LayerFile plan{.file = fmt::format("delta-layer-{:05}.safetensors", layer.layer)};
  std::vector<TensorSpec> specs;
  for (const Role role : kGeneratedRoles) {
    const std::string& name = layer.role(role)->view.tensor;
    plan.matrices.push_back(
        {.role = role, .name = name, .elements = layer.hidden_size * layer.intermediate_size});
  }
  std::sort(plan.matrices.begin(), plan.matrices.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const LayerMatrix& matrix : plan.matrices) {
    const Shape shape = matrix.role == Role::kDown
                            ? Shape{layer.hidden_size, layer.intermediate_size}
                            : Shape{layer.intermediate_size, layer.hidden_size};
    specs.push_back({.name = matrix.name, .dtype = DType::kBF16, .shape = shape});
  }
  plan.header = make_safetensors_header(specs, {{"format", "pt"}});
  for (LayerMatrix& matrix : plan.matrices) {
    matrix.offset = plan.bytes();
    plan.payload_bytes += 2 * matrix.elements;
  }
  return plan;
}

// Bytes written so far in each window of a file; a full window is sent on its way to the disk.
class EarlyWriteback {
 public:
  EarlyWriteback(File& file, std::uint64_t bytes)
      : file_(file), written_(bytes / kWritebackBytes + 1) {}

  void wrote(std::uint64_t offset, std::uint64_t bytes) {
    while (bytes > 0) {
      const std::uint64_t window = offset / kWritebackBytes;
      const std::uint64_t part = std::min(bytes, (window + 1) * kWritebackBytes - offset);
      if (written_[window].fetch_add(part) + part == kWritebackBytes) {
        file_.start_writeback(window * kWritebackBytes, kWritebackBytes);
      }
      offset += part;
      bytes -= part;
    }
  }

 private:
  File& file_;
  std::vector<std::atomic<std::uint64_t>> written_;
};

class DeltaWriter {
 public:
  DeltaWriter(const PartialFolder& folder, const Execution& execution)
      : folder_(folder),
        execution_(execution),
        arena_(execution.thread_count()),
        buffers_([] { return std::vector<std::uint16_t>(kChunkElements); }) {}

  // Returns once all is written; the fsync runs beside the next layer.
  void write(const DeltaRecipe& recipe, const RecipeLayer& layer, const LayerFile& plan) {
    auto file = std::make_shared<File>(File::create(folder_.path() / plan.file));
    file->allocate(plan.bytes());
    file->write(0, std::as_bytes(std::span(plan.header)));
    const LayerGenerator generator(recipe, layer);
    EarlyWriteback writeback(*file, plan.bytes());
    writeback.wrote(0, plan.header.size());
    arena_.execute([&] {
      for (const LayerMatrix& matrix : plan.matrices) {
        write_matrix(*file, generator, matrix, writeback);
      }
    });
    finish();
    if (folder_.durability() == Durability::kFull) {
      syncing_ = std::async(std::launch::async, [file] { file->sync(); });
    }
  }

  // Waits for the last fsync.
  void finish() {
    if (syncing_.valid()) syncing_.get();
  }

 private:
  void write_matrix(File& file, const LayerGenerator& generator, const LayerMatrix& matrix,
                    EarlyWriteback& writeback) {
    const std::uint64_t chunks = (matrix.elements + kChunkElements - 1) / kChunkElements;
    tbb::parallel_for(tbb::blocked_range<std::uint64_t>(0, chunks, 1), [&](const auto& range) {
      std::vector<std::uint16_t>& buffer = buffers_.local();
      for (std::uint64_t chunk = range.begin(); chunk != range.end(); ++chunk) {
        execution_.check_cancelled();
        const std::uint64_t first = chunk * kChunkElements;
        const std::span out(buffer.data(), std::min(kChunkElements, matrix.elements - first));
        execution_.pace(out.size_bytes());
        generator.generate(matrix.role, first, out);
        file.write(matrix.offset + 2 * first, std::as_bytes(out));
        writeback.wrote(matrix.offset + 2 * first, out.size_bytes());
        execution_.advance(out.size_bytes());
      }
    });
  }

  const PartialFolder& folder_;
  const Execution& execution_;
  tbb::task_arena arena_;
  tbb::enumerable_thread_specific<std::vector<std::uint16_t>> buffers_;
  std::future<void> syncing_{};
};

NeuronBank bank_for(const GenerateSettings& settings, const DeltaBase& base) {
  if (!settings.bank) {
    const std::string config = (base.folder / "config.json").string();
    return make_default_bank(parse_activation_in(config, base.activation), settings.gains_per_cell);
  }
  NeuronBank bank = read_bank(*settings.bank);
  if (!base.activation.empty() && parse_activation(base.activation) != bank.activation) {
    throw Error(
        Failure::kBadInput, "activation-mismatch",
        fmt::format("the bank is fitted for {}, and the base's activation is {}",
                    to_string(bank.activation), base.activation),
        {.file = settings.bank->string()},
        fmt::format("make one with `contourfuse neurons --activation {}`", base.activation));
  }
  return bank;
}

DeltaRecipe make_recipe(const GenerateSettings& settings, const DeltaBase& base) {
  for (const float scale : {settings.gate_scale, settings.down_scale}) {
    if (!is_allowed_scale(scale)) {
      throw Error(
          Failure::kUsage, "bad-scale",
          fmt::format("the scale {} is not between {} and {}", scale, 1 / kMaxScale, kMaxScale));
    }
  }
  DeltaRecipe recipe{.stored = !settings.recipe_only,
                     .seed = settings.seed,
                     .bank = bank_for(settings, base),
                     .gate_scale = settings.gate_scale,
                     .down_scale = settings.down_scale,
                     .balance = settings.balance,
                     .family = base.family,
                     .hidden_size = base.layers.front().hidden_size,
                     .base_digest = base.digest};
  for (const MlpLayer& layer : base.layers) {
    recipe.layers.push_back(
        {.layer = layer.layer,
         .kind = layer.kind,
         .hidden_size = layer.hidden_size,
         .intermediate_size = layer.intermediate_size,
         .cells = layer.intermediate_size / (2 * recipe.bank.gains_per_cell())});
    check_layer(recipe.bank, recipe.layers.back(), base.folder.string());
  }
  return recipe;
}

std::string index_text(const std::vector<LayerFile>& files, std::uint64_t payload_bytes) {
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = payload_bytes;
  std::map<std::string, std::string> weight_map;
  for (const LayerFile& file : files) {
    for (const LayerMatrix& matrix : file.matrices) weight_map[matrix.name] = file.file;
  }
  index["weight_map"] = weight_map;
  return index.dump(2) + "\n";
}

}  // namespace

GenerateResult generate_delta(const GenerateSettings& settings, const Execution& execution) {
  const auto begun = std::chrono::steady_clock::now();
  refuse_unusable_output(settings.output, settings.overwrite);
  const DeltaBase base =
      settings.config_only
          ? base_from_config(settings.base_model, settings.revision, settings.layers)
          : base_from_checkpoint(settings.base_model, settings.revision, settings.layers);
  refuse_overlap(settings.output, base.folder);
  if (settings.bank) refuse_overlap(settings.output, *settings.bank);

  GenerateResult result{.recipe = make_recipe(settings, base)};
  std::vector<LayerFile> files;
  std::uint64_t payload_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t needed_bytes = 0;
  if (!settings.recipe_only) {
    for (const MlpLayer& layer : base.layers) {
      files.push_back(plan_file(layer));
      payload_bytes += files.back().payload_bytes;
      file_bytes += files.back().bytes();
      needed_bytes += block_bytes(files.back().bytes());
    }
    require_space(settings.output,
                  {.what = "the delta",
                   .bytes = needed_bytes,
                   .hint = "--recipe-only writes no matrices: fuse makes the same bits itself"});
  }

  PartialFolder folder(settings.output, settings.overwrite, settings.durability);
  const bool durable = settings.durability == Durability::kFull;
  execution.begin("generate", payload_bytes);
  DeltaWriter writer(folder, execution);
  for (std::size_t i = 0; i < files.size(); ++i) {
    writer.write(result.recipe, result.recipe.layers[i], files[i]);
  }
  writer.finish();
  result.bytes_written = file_bytes;
  const auto write_side_file = [&](const char* name, const std::string& text) {
    write_text(folder.path() / name, text, durable);
    result.bytes_written += text.size();
  };
  if (!files.empty()) {
    write_side_file("delta.safetensors.index.json", index_text(files, payload_bytes));
  }
  write_side_file("delta.json", recipe_text(result.recipe));
  execution.check_cancelled();
  folder.publish();
  execution.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return result;
}

}  // namespace contourfuse
