// What `bench` measures.
#include "bench_cases.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "bench_kernels.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/diff.hpp"
#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/fusion/verify.hpp"
#include "contourfuse/measure/copy_command.hpp"
#include "contourfuse/measure/page_cache.hpp"
#include "contourfuse/measure/traffic.hpp"
#include "contourfuse/model/synth.hpp"
#include "contourfuse/neuron/generate.hpp"
#include "devices.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLike = "31b";
constexpr std::uint64_t kScale = 4;  // of every dimension, the 16th part of a matrix
// At that scale: a layer of 31b, and its embedding and norms.
constexpr std::uint64_t kLayerBytes = 63'000'000;
constexpr std::uint64_t kOtherBytes = 176'000'000;
constexpr std::uint64_t kPeriod = 6;  // 5 sliding layers and a global one

class Bench {
 public:
  Bench(const BenchFlags& flags, const RunFlags& run, const Execution& execution)
      : flags_(flags), run_(run), execution_(execution) {
    execution_.progress = nullptr;
    traffic_.durable = flags.durability == Durability::kFull;
    traffic_.read_method = flags.read_method;
    traffic_.write_direct = flags.direct;
    if (flags.direct && flags.read_method == ReadMethod::kAuto) {
      traffic_.read_method = ReadMethod::kDirect;
    }
  }

  BenchResult measure() {
    const Subject& subject = kAll.at(flags_.what);
    if (subject.has_files) {
      fs::create_directories(flags_.folder);
      make_model();
    }
    (this->*subject.add_cases)();
    std::vector<CaseTimes> times = alternate(cases_, flags_.rounds, execution_);
    if (subject.has_files) fs::remove_all(output());
    BenchResult result;
    result.ceiling = fastest(times, ceilings_);
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const bool ceiling = std::ranges::count(ceilings_, i) > 0;
      result.cases.push_back({cases_[i].name, cases_[i].bytes, times[i], ceiling,
                              times_of(times[i], times[result.ceiling])});
    }
    return result;
  }

  struct Subject {
    void (Bench::*add_cases)() = nullptr;
    bool has_files = true;  ///< a model to measure with
  };
  static const std::map<std::string, Subject> kAll;

 private:
  [[nodiscard]] fs::path output() const { return flags_.folder / "output"; }

  void make_model() {
    model_ = flags_.model;
    if (!flags_.model.empty()) return;
    const std::uint64_t wanted = flags_.size - std::min(flags_.size, kOtherBytes);
    const std::uint64_t layers = std::max(kPeriod, (wanted + kLayerBytes / 2) / kLayerBytes);
    model_ = flags_.folder / fmt::format("model-{}-layers", layers);
    if (fs::exists(model_)) return;
    synthesize({.like = kLike,
                .output = model_,
                .layers = layers,
                .scale_numerator = 1,
                .scale_denominator = kScale},
               execution_);
  }

  /// A stored delta, or its recipe alone.
  fs::path delta(bool stored) {
    if (!flags_.weights.empty()) return flags_.weights;
    fs::path path = flags_.folder /
                    fmt::format("{}{}", model_.filename().string(), stored ? "-delta" : "-recipe");
    if (!fs::exists(path)) {
      generate_delta({.base_model = model_.string(), .output = path, .recipe_only = !stored},
                     execution_);
    }
    return path;
  }

  FuseSettings fuse_settings(const fs::path& weights, bool direct) const {
    FuseSettings settings;
    settings.model = model_.string();
    settings.weights = weights;
    settings.output = output();
    settings.read_method = flags_.read_method;
    settings.direct = direct;
    settings.durability = flags_.durability;
    return settings;
  }

  void prepare(const std::vector<fs::path>& sources) const {
    fs::remove_all(output());
    if (flags_.cold) {
      for (const fs::path& source : sources) drop_from_cache(source);
    }
    ::sync();
    std::this_thread::sleep_for(std::chrono::duration<double>(flags_.pause));
  }

  void add(std::string name, std::uint64_t bytes, const std::vector<fs::path>& sources,
           std::function<void()> run) {
    cases_.push_back(
        {std::move(name), bytes, [this, sources] { prepare(sources); }, std::move(run)});
  }
  void add_ceiling(std::string name, std::uint64_t bytes, const std::vector<fs::path>& sources,
                   std::function<void()> run) {
    ceilings_.push_back(cases_.size());
    add(std::move(name), bytes, sources, std::move(run));
  }

  void add_copies() {
    const std::uint64_t bytes = 2 * bytes_in(model_);
    const auto copy = [this](TrafficSettings way) {
      return [this, way] { copy_folder(model_, output(), way, execution_); };
    };
    add_ceiling("copy", bytes, {model_}, copy({traffic_.durable}));
    add_ceiling("copy, direct", bytes, {model_},
                copy({traffic_.durable, ReadMethod::kDirect, true}));
    add(traffic_.durable ? "cp -r, sync" : "cp -r", bytes, {model_},
        [this] { copy_by_command(model_, output(), traffic_.durable); });
  }

  void add_copy() {
    add_copies();
    add("copy, mmap", 2 * bytes_in(model_), {model_}, [this] {
      copy_folder(model_, output(), {traffic_.durable, ReadMethod::kMmap}, execution_);
    });
  }

  void add_read() {
    const auto read = [this](ReadMethod method) {
      return [this, method] { read_folders({model_}, {false, method}, execution_); };
    };
    const std::uint64_t bytes = bytes_in(model_);
    add_ceiling("pread", bytes, {model_}, read(ReadMethod::kPread));
    add_ceiling("direct", bytes, {model_}, read(ReadMethod::kDirect));
    add_ceiling("mmap", bytes, {model_}, read(ReadMethod::kMmap));
  }

  void add_write() {
    const auto write = [this](bool direct) {
      return [this, direct] {
        write_folder(model_, output(), {traffic_.durable, ReadMethod::kPread, direct}, execution_);
      };
    };
    add_ceiling("write", bytes_in(model_), {}, write(false));
    add_ceiling("write, direct", bytes_in(model_), {}, write(true));
  }

  void add_fuse(const std::string& name, const fs::path& weights) {
    const FusePlan plan = plan_fuse(fuse_settings(weights, flags_.direct));
    add(name, bytes_moved_as_fuse(plan), {model_, weights}, [this, weights] {
      const auto backend = make_backend(run_);
      run_fuse(plan_fuse(fuse_settings(weights, flags_.direct)), *backend, execution_);
    });
  }

  void add_fuse() {
    const fs::path stored = delta(true);
    if (traffic_.durable) {
      add_copies();
    } else {
      plans_.push_back(std::make_unique<FusePlan>(plan_fuse(fuse_settings(stored, flags_.direct))));
      add_ceiling("its traffic alone", bytes_moved_as_fuse(*plans_.back()), {model_, stored},
                  [this] { move_as_fuse(*plans_.back(), output(), traffic_, execution_); });
      add("copy", 2 * bytes_in(model_), {model_},
          [this] { copy_folder(model_, output(), traffic_, execution_); });
    }
    add_fuse("fuse", stored);
    if (flags_.weights.empty()) add_fuse("fuse, recipe", delta(false));
  }

  void add_generate() {
    const fs::path like = delta(true);
    const std::uint64_t bytes = bytes_in(like);
    add_ceiling("write", bytes, {},
                [this, like] { write_folder(like, output(), traffic_, execution_); });
    add("generate", bytes, {model_}, [this] {
      generate_delta(
          {.base_model = model_.string(), .output = output(), .durability = flags_.durability},
          execution_);
    });
  }

  /// Made once, and kept beside the output that runs remove.
  fs::path fused() {
    fs::path path = flags_.folder / (model_.filename().string() + "-fused");
    if (fs::exists(path)) return path;
    FuseSettings settings = fuse_settings(delta(true), false);
    settings.output = path;
    const auto backend = make_backend(run_);
    run_fuse(plan_fuse(settings), *backend, execution_);
    return path;
  }

  void add_verify() {
    const fs::path path = fused();
    const std::uint64_t bytes = bytes_in(path);
    add_ceiling("read", bytes, {path},
                [this, path] { read_folders({path}, traffic_, execution_); });
    add("verify", bytes, {path}, [this, path] {
      const auto backend = make_backend(run_);
      if (verify({.output = path}, *backend, execution_).ok()) return;
      throw Error(Failure::kFailed, "verify-mismatch", "this does not verify",
                  {.file = path.string()}, "remove the folder, and measure again");
    });
  }

  void add_kernels() {
    cases_ = kernel_cases(flags_.size);
    ceilings_ = {0};
  }

  void add_diff() {
    const fs::path path = fused();
    const std::uint64_t bytes = bytes_in(path) + bytes_in(model_);
    add_ceiling("read", bytes, {model_, path}, [this, path] {
      read_folders({model_, path}, traffic_, execution_);
    });
    add("diff", bytes, {model_, path}, [this, path] {
      static_cast<void>(diff_checkpoints(model_.string(), path.string(), false, execution_));
    });
  }

  const BenchFlags& flags_;
  const RunFlags& run_;
  Execution execution_;
  TrafficSettings traffic_{};
  fs::path model_{};
  std::vector<std::unique_ptr<FusePlan>> plans_{};
  std::vector<TimedCase> cases_{};
  std::vector<std::size_t> ceilings_{};
};

const std::map<std::string, Bench::Subject> Bench::kAll = {
    {"copy", {&Bench::add_copy}},
    {"diff", {&Bench::add_diff}},
    {"fuse", {&Bench::add_fuse}},
    {"generate", {&Bench::add_generate}},
    {"kernels", {&Bench::add_kernels, false}},
    {"read", {&Bench::add_read}},
    {"verify", {&Bench::add_verify}},
    {"write", {&Bench::add_write}}};

}  // namespace

const std::vector<std::string>& bench_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    all.reserve(Bench::kAll.size());
    for (const auto& [name, subject] : Bench::kAll) all.push_back(name);
    return all;
  }();
  return names;
}

BenchResult run_bench(const BenchFlags& flags, const RunFlags& run, const Execution& execution) {
  return Bench(flags, run, execution).measure();
}

}  // namespace contourfuse
