// Writing of random checkpoints.
#include "contourfuse/model/synth.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/shape.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/free_space.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/model/architecture.hpp"
#include "synth_models.hpp"
#include "synth_weights.hpp"

namespace contourfuse {
namespace {

/// Elements that one task makes and writes: 1 MiB.
constexpr std::uint64_t kPieceElements = std::uint64_t{512} * 1024;
constexpr std::uint64_t kMaxLayers = 4096;
/// With the largest published dimension below 2^19, sizes stay far below 2^63.
constexpr std::uint64_t kMaxScaleTerm = 1ULL << 20;
constexpr std::uint64_t kMaxScale = 16;

[[noreturn]] void refuse(const char* kind, std::string message) {
  throw Error(Failure::kUsage, kind, std::move(message));
}

SynthModel choose_model(const std::string& name) {
  for (const SynthModel& model : synth_model_table()) {
    if (model.name == name) return model;
  }
  refuse("unknown-synth-model",
         fmt::format("no model \"{}\"; there are {}", name, fmt::join(synth_models(), ", ")));
}

void check(const SynthSettings& settings) {
  const std::uint64_t up = settings.scale_numerator;
  const std::uint64_t down = settings.scale_denominator;
  if (up == 0 || down == 0 || up > kMaxScaleTerm || down > kMaxScaleTerm || up / down > kMaxScale) {
    refuse("bad-scale", fmt::format("scale {}/{} is not between 1/{} and {}", up, down,
                                    kMaxScaleTerm, kMaxScale));
  }
  if (settings.layers && (*settings.layers == 0 || *settings.layers > kMaxLayers)) {
    refuse("bad-layers",
           fmt::format("{} layers; there must be 1 to {}", *settings.layers, kMaxLayers));
  }
  if (settings.max_shard_bytes == std::uint64_t{0}) {
    refuse("bad-shard-size", "a shard must hold at least 1 byte");
  }
}

std::uint64_t bytes_of(const TensorSpec& tensor) {
  return element_count(tensor.shape).value() * sizeof(std::uint16_t);
}

std::uint64_t bytes_of(const std::vector<TensorSpec>& tensors) {
  std::uint64_t bytes = 0;
  for (const TensorSpec& tensor : tensors) bytes += bytes_of(tensor);
  return bytes;
}

/// The published limit, scaled with the checkpoint so that the split stays alike.
std::uint64_t default_shard_bytes(const SynthModel& published, std::uint64_t bytes) {
  const std::uint64_t whole = bytes_of(synth_tensors(published));
  if (published.max_shard_bytes >= whole) return bytes;
  if (bytes == whole) return published.max_shard_bytes;
  const double ratio = static_cast<double>(bytes) / static_cast<double>(whole);
  return static_cast<std::uint64_t>(
      std::ceil(ratio * static_cast<double>(published.max_shard_bytes)));
}

using Shards = std::vector<std::vector<TensorSpec>>;

/// Greedy in the given order, as transformers does; then by name inside each shard.
Shards split(std::vector<TensorSpec> tensors, std::uint64_t max_bytes) {
  Shards shards;
  std::uint64_t filled = 0;
  for (TensorSpec& tensor : tensors) {
    const std::uint64_t bytes = bytes_of(tensor);
    if (shards.empty() || bytes > max_bytes - std::min(filled, max_bytes)) {
      shards.emplace_back();
      filled = 0;
    }
    filled += bytes;
    shards.back().push_back(std::move(tensor));
  }
  for (auto& shard : shards) std::ranges::sort(shard, {}, &TensorSpec::name);
  return shards;
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

/// A part of a tensor that one task makes.
struct Piece {
  std::size_t tensor = 0;
  std::uint64_t first = 0;  ///< element
  std::uint64_t elements = 0;
  std::uint64_t offset = 0;  ///< byte in the file
};

std::vector<Piece> cut(const std::vector<TensorSpec>& tensors, std::uint64_t offset) {
  std::vector<Piece> pieces;
  for (std::size_t tensor = 0; tensor < tensors.size(); ++tensor) {
    const std::uint64_t elements = element_count(tensors[tensor].shape).value();
    for (std::uint64_t first = 0; first < elements; first += kPieceElements) {
      const std::uint64_t count = std::min(kPieceElements, elements - first);
      pieces.push_back({tensor, first, count, offset});
      offset += count * sizeof(std::uint16_t);
    }
  }
  return pieces;
}

class ShardWriter {
 public:
  ShardWriter(const SynthSettings& settings, const Execution& execution)
      : settings_(settings),
        durable_(settings.durability == Durability::kFull),
        execution_(execution),
        arena_(execution.thread_count()) {}

  void write(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors) {
    const std::string header = make_safetensors_header(tensors, {{"format", "pt"}});
    File file = File::create(path);
    const std::uint64_t bytes = header.size() + bytes_of(tensors);
    settings_.sparse ? file.resize(bytes) : file.allocate(bytes);
    file.write(0, std::as_bytes(std::span(header)));
    if (!settings_.sparse) write_weights(file, tensors, header.size());
    if (durable_) file.sync();
  }

 private:
  void write_weights(File& file, const std::vector<TensorSpec>& tensors, std::uint64_t offset) {
    const std::vector<Piece> pieces = cut(tensors, offset);
    arena_.execute([&] {
      tbb::parallel_for(tbb::blocked_range<std::size_t>(0, pieces.size(), 1),
                        [&](const tbb::blocked_range<std::size_t>& range) {
                          for (std::size_t n = range.begin(); n < range.end(); ++n) {
                            write_piece(file, tensors[pieces[n].tensor], pieces[n]);
                          }
                        });
    });
  }

  void write_piece(File& file, const TensorSpec& tensor, const Piece& piece) {
    execution_.check_cancelled();
    std::vector<std::uint16_t>& buffer = buffers_.local();
    buffer.resize(piece.elements);
    SynthWeights(settings_.seed, tensor.name).fill(piece.first, buffer);
    const auto bytes = std::as_bytes(std::span(buffer));
    file.write(piece.offset, bytes);
    if (durable_) file.start_writeback(piece.offset, bytes.size());
    execution_.advance(bytes.size());
  }

  const SynthSettings& settings_;
  bool durable_;
  const Execution& execution_;
  tbb::task_arena arena_;
  tbb::enumerable_thread_specific<std::vector<std::uint16_t>> buffers_{};
};

void write_index(const std::filesystem::path& folder, const Shards& shards, bool durable) {
  nlohmann::json map = nlohmann::json::object();
  std::uint64_t bytes = 0;
  for (std::size_t n = 0; n < shards.size(); ++n) {
    for (const TensorSpec& tensor : shards[n]) map[tensor.name] = shard_name(n, shards.size());
    bytes += bytes_of(shards[n]);
  }
  const nlohmann::json index = {
      {"metadata", {{"total_parameters", bytes / sizeof(std::uint16_t)}, {"total_size", bytes}}},
      {"weight_map", std::move(map)}};
  write_text(folder / "model.safetensors.index.json", index.dump(2) + "\n", durable);
}

void write_side_files(const std::filesystem::path& folder, const SynthModel& model,
                      const SynthSettings& settings, bool durable) {
  write_text(folder / "config.json", synth_config(model).dump(2) + "\n", durable);
  const bool gemma = model.family != "llama";
  const nlohmann::json generation = {
      {"bos_token_id", gemma ? 2 : 0}, {"eos_token_id", 1}, {"do_sample", false}};
  write_text(folder / "generation_config.json", generation.dump(2) + "\n", durable);
  write_text(folder / "README.md",
             fmt::format("---\nlibrary_name: transformers\ntags: [{}, random-weights]\n---\n"
                         "# Random weights in the layout of {}\n\nMade by `contourfuse synth`, "
                         "scale {}/{}, seed {}. It was never trained.\n",
                         model.family, model.name, settings.scale_numerator,
                         settings.scale_denominator, settings.seed),
             durable);
}

}  // namespace

const std::vector<std::string>& synth_models() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const SynthModel& model : synth_model_table()) all.emplace_back(model.name);
    return all;
  }();
  return names;
}

ModelSize synth_size(const std::string& like) {
  ModelSize size;
  for (const TensorSpec& tensor : synth_tensors(choose_model(like))) {
    size.checkpoint_bytes += bytes_of(tensor);
    const auto name = match_mlp_name(tensor.name);
    if (!name || name->layout != MlpLayout::kDense) continue;
    const std::uint64_t elements = element_count(tensor.shape).value();
    if (name->role == Role::kGate) size.gate_elements += elements;
    if (name->role == Role::kDown) size.down_elements += elements;
  }
  return size;
}

SynthResult synthesize(const SynthSettings& settings, const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  const SynthModel published = choose_model(settings.like);
  check(settings);
  SynthModel model = scaled(published, settings.scale_numerator, settings.scale_denominator);
  if (settings.layers) model = with_layers(model, *settings.layers);
  std::vector<TensorSpec> tensors = synth_tensors(model);
  SynthResult result;
  result.tensors = tensors.size();
  result.bytes = bytes_of(tensors);
  const std::uint64_t limit =
      settings.max_shard_bytes.value_or(default_shard_bytes(published, result.bytes));
  const Shards shards = split(std::move(tensors), limit);
  result.shards = shards.size();

  refuse_unusable_output(settings.output, settings.overwrite);
  if (!settings.sparse) {
    // Headers and side files are small; what they lack shows when they are written.
    require_space(settings.output, {.what = "the checkpoint", .bytes = result.bytes});
  }
  const bool durable = settings.durability == Durability::kFull;
  PartialFolder partial(settings.output, settings.overwrite, settings.durability);
  execution.begin("synth", settings.sparse ? 0 : result.bytes);
  ShardWriter writer(settings, execution);
  for (std::size_t n = 0; n < shards.size(); ++n) {
    writer.write(partial.path() / shard_name(n, shards.size()), shards[n]);
  }
  if (shards.size() > 1) write_index(partial.path(), shards, durable);
  write_side_files(partial.path(), model, settings, durable);
  partial.publish();
  execution.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace contourfuse
