// Making, storing and opening the plan of a sweep.
#include "contourfuse/sweep/plan.hpp"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/model/layer_norms.hpp"
#include "sweep/plan_document.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

/// What plan and work each read once more for its hashes; beyond it sizes, times and inodes stand
/// for the bytes.
constexpr std::uint64_t kMaxHashedBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxPlanBytes = std::uint64_t{1} << 30;
constexpr std::size_t kHashBuffer = std::size_t{1} << 20;
constexpr Role kRoles[] = {Role::kGate, Role::kUp, Role::kDown};

/// One thing whose bytes the plan vouches for.
struct Content {
  std::string label{};
  fs::path file{};
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

FusePlan plan_of(const SweepSettings& settings) {
  FuseSettings fuse;
  fuse.model = settings.model;
  fuse.revision = settings.revision;
  fuse.weights = settings.weights;
  fuse.layers = settings.layers;
  fuse.parameters.variance_norm = settings.variance_norm;
  fuse.parameters.rounding = settings.rounding;
  fuse.parameters.rounding_seed = settings.rounding_seed;
  return plan_fuse(fuse);
}

fs::path recipe_file(const FusePlan& fuse) {
  const fs::path& path = fuse.delta.path();
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? path / "delta.json" : path;
}

/// What the layers are measured from.
std::vector<Content> contents_of(const SweepPlan& plan, const std::vector<std::uint64_t>& layers) {
  const FusePlan& fuse = plan.fuse;
  // Activation, norms and kinds of layers.
  const fs::path config = fuse.base.folder / "config.json";
  std::vector<Content> contents{{"base config.json", config, 0, File::open(config).size()}};
  for (const std::uint64_t number : layers) {
    const MlpLayer& layer = *fuse.base.find_layer(number);
    for (const Role role : kRoles) {
      const auto& matrix = layer.role(role);
      if (!matrix) continue;
      contents.push_back(
          {"base " + matrix->view.tensor, fuse.base.folder / fuse.base.shards[matrix->shard].file,
           matrix->view.file_offset, matrix->view.elements() * editable_bytes(matrix->view.dtype)});
    }
    const LayerNorms norms = find_layer_norms(fuse.base, layer);
    for (const std::string& norm : {norms.before, norms.after}) {
      const auto found = fuse.base.find(norm);
      if (!found) continue;
      const Shard& shard = fuse.base.shards[found->first];
      const ByteRange bytes = shard.header.file_range(*found->second);
      contents.push_back(
          {"base " + norm, fuse.base.folder / shard.file, bytes.begin, bytes.end - bytes.begin});
    }
  }
  if (fuse.delta.on_the_fly()) {
    const fs::path file = recipe_file(fuse);
    contents.push_back({"recipe", file, 0, File::open(file).size()});
  }
  if (!plan.settings.probe.empty()) {
    const fs::path& file = plan.settings.probe;
    contents.push_back({"probe", file, 0, File::open(file).size()});
  }
  return contents;
}

std::string hash_of(const Content& content) {
  const File file = File::open(content.file);
  std::vector<std::byte> buffer(kHashBuffer);
  Hash128 hash;
  for (std::uint64_t done = 0; done < content.bytes;) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), content.bytes - done));
    const std::span<std::byte> part(buffer.data(), count);
    file.read(content.offset + done, part);
    hash.update(part);
    done += count;
  }
  return hash.hex();
}

std::string hash_of(const DeltaReader& reader, const PlannedMatrix& matrix) {
  const std::uint64_t element = editable_bytes(matrix.delta_dtype);
  const std::uint64_t elements = matrix.covered_shape[0] * matrix.covered_shape[1];
  std::vector<std::byte> buffer(kHashBuffer);
  Hash128 hash;
  for (std::uint64_t done = 0; done < elements;) {
    const std::uint64_t count = std::min<std::uint64_t>(buffer.size() / element, elements - done);
    const std::span<std::byte> part(buffer.data(), count * element);
    reader.read(done, part);
    hash.update(part);
    done += count;
  }
  return hash.hex();
}

std::map<std::string, std::string> hash_contents(const SweepPlan& plan,
                                                 const std::vector<std::uint64_t>& layers) {
  const std::vector<Content> contents = contents_of(plan, layers);
  std::vector<const PlannedMatrix*> deltas;
  if (!plan.fuse.delta.on_the_fly()) {
    for (const PlannedMatrix& matrix : plan.fuse.matrices) {
      if (std::find(layers.begin(), layers.end(), matrix.layer) != layers.end()) {
        deltas.push_back(&matrix);
      }
    }
  }
  std::map<std::string, std::string> hashes;
  std::mutex mutex;
  tbb::parallel_for(std::size_t{0}, contents.size() + deltas.size(), [&](std::size_t i) {
    std::string label;
    std::string hash;
    if (i < contents.size()) {
      label = contents[i].label;
      hash = hash_of(contents[i]);
    } else {
      const PlannedMatrix& matrix = *deltas[i - contents.size()];
      label = "delta " + matrix.view.tensor;
      hash = hash_of(*plan.fuse.delta.reader(*plan.fuse.base.find_layer(matrix.layer), matrix.role),
                     matrix);
    }
    const std::lock_guard lock(mutex);
    hashes[std::move(label)] = std::move(hash);
  });
  return hashes;
}

std::uint64_t bytes_to_hash(const SweepPlan& plan) {
  std::uint64_t bytes = 0;
  for (const Content& content : contents_of(plan, plan.fuse.selected_layers)) {
    bytes += content.bytes;
  }
  if (plan.fuse.delta.on_the_fly()) return bytes;
  for (const PlannedMatrix& matrix : plan.fuse.matrices) {
    bytes += matrix.covered_shape[0] * matrix.covered_shape[1] * editable_bytes(matrix.delta_dtype);
  }
  return bytes;
}

std::vector<PlannedFile> list_files(const SweepPlan& plan) {
  std::set<fs::path> paths{plan.fuse.base.folder / "config.json"};
  for (const Shard& shard : plan.fuse.base.shards) paths.insert(plan.fuse.base.folder / shard.file);
  if (plan.fuse.delta.on_the_fly()) {
    paths.insert(recipe_file(plan.fuse));
  } else {
    for (const PlannedMatrix& matrix : plan.fuse.matrices) paths.insert(matrix.delta_place);
  }
  if (!plan.settings.probe.empty()) paths.insert(plan.settings.probe);
  std::vector<PlannedFile> files;
  for (const fs::path& path : paths) {
    const FileIdentity identity = File::open(path).identity();
    files.push_back({path.string(), identity.bytes, identity.inode, identity.modified_ns});
  }
  return files;
}

[[noreturn]] void refuse_change(const std::string& file, std::string_view tensor) {
  throw Error(Failure::kBadInput, "input-changed", "this is not what the sweep was planned with",
              {.file = file, .tensor = std::string(tensor)},
              "bring the planned files back, or plan a new run in another folder");
}

void check_files(const SweepPlan& plan) {
  for (const PlannedFile& file : plan.files) {
    const FileIdentity now = File::open(file.path).identity();
    if (now.bytes != file.bytes || now.inode != file.inode || now.modified_ns != file.modified_ns) {
      refuse_change(file.path, {});
    }
  }
}

/// A path that means the same from any working folder; a hub id as it is.
std::string from_anywhere(const fs::path& path) {
  std::error_code ignored;
  if (path.empty() || !fs::exists(path, ignored)) return path.string();
  return fs::absolute(path).lexically_normal().string();
}

/// Refuses a budget of something that this sweep cannot measure, before anything is measured.
void check_budget(const SweepPlan& plan) {
  const std::optional<Budget>& budget = plan.settings.budget;
  if (!budget || budget->metric == BudgetMetric::kDrift || plan.settings.probe_tokens > 0) return;
  throw Error(
      Failure::kUsage, "budget-not-measured",
      fmt::format("--budget {} needs probes, and --probe-tokens is 0", to_string(budget->metric)),
      {}, "drift needs none");
}

/// Whether there is more than what is left of a plan whose writing another run began.
bool holds_other_files(const fs::path& run) {
  const std::string begun = std::string(kSweepPlanName) + ".partial-";
  return !std::ranges::all_of(list_folder(run), [&begun](const fs::path& entry) {
    return entry.filename().string().starts_with(begun);
  });
}

}  // namespace

SweepPlan plan_sweep(const SweepSettings& settings) {
  SweepPlan plan;
  plan.settings = settings;
  check_budget(plan);
  plan.settings.model = from_anywhere(settings.model);
  plan.settings.weights = from_anywhere(settings.weights);
  plan.settings.probe = from_anywhere(settings.probe);
  plan.fuse = plan_of(plan.settings);
  std::set<std::uint64_t> layers;
  for (const PlannedMatrix& matrix : plan.fuse.matrices) layers.insert(matrix.layer);
  for (const std::uint64_t layer : layers) {
    if (plan.tasks.empty() || plan.tasks.back().size() == settings.layers_per_task) {
      plan.tasks.emplace_back();
    }
    plan.tasks.back().push_back(layer);
  }
  plan.settings.layers.clear();
  for (const std::uint64_t layer : layers) plan.settings.layers.push_back(std::to_string(layer));
  plan.fuse.selected_layers.assign(layers.begin(), layers.end());
  plan.base_digest = checkpoint_digest(plan.fuse.base);
  if (bytes_to_hash(plan) <= kMaxHashedBytes) {
    plan.contents = hash_contents(plan, plan.fuse.selected_layers);
  } else {
    plan.files = list_files(plan);
  }
  return plan;
}

void store_plan(const SweepPlan& plan, const fs::path& run) {
  const std::string text = plan_text(plan);
  const fs::path file = run / kSweepPlanName;
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    if (read_text(file, kMaxPlanBytes) == text) return;
    throw Error(Failure::kBadInput, "run-differs", "the folder holds the run of another plan",
                {.file = run.string()}, "choose another folder for --output");
  }
  if (fs::exists(run, ignored) && (!fs::is_directory(run, ignored) || holds_other_files(run))) {
    throw Error(Failure::kBadInput, "run-differs", "there is something else already",
                {.file = run.string()}, "choose another folder for --output");
  }
  make_folders(run, true);
  write_text(file, text, true);
}

SweepPlan load_plan(const fs::path& run) {
  const fs::path file = run / kSweepPlanName;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    throw Error(Failure::kBadInput, "no-plan", "there is no plan of a sweep",
                {.file = run.string()}, "make one with `contourfuse sweep plan … --output FOLDER`");
  }
  SweepPlan plan = parse_plan(read_text(file, kMaxPlanBytes), file.string());
  plan.fuse = plan_of(plan.settings);
  if (checkpoint_digest(plan.fuse.base) != plan.base_digest) {
    refuse_change(plan.fuse.base.folder.string(), {});
  }
  check_files(plan);
  return plan;
}

void check_contents(const SweepPlan& plan, const std::vector<std::uint64_t>& layers) {
  check_files(plan);
  if (plan.contents.empty()) return;
  for (const auto& [label, hash] : hash_contents(plan, layers)) {
    const auto planned = plan.contents.find(label);
    if (planned != plan.contents.end() && planned->second == hash) continue;
    if (label == "probe") refuse_change(plan.settings.probe.string(), {});
    if (label == "recipe") refuse_change(recipe_file(plan.fuse).string(), {});
    const bool base = label.starts_with("base ");
    refuse_change(base ? plan.fuse.base.folder.string() : plan.settings.weights.string(),
                  label.substr(label.find(' ') + 1));
  }
}

}  // namespace contourfuse
