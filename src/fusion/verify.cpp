// Verifying: every file against the manifest, then against the base, then against a second run.
#include "contourfuse/fusion/verify.hpp"

#include <fmt/format.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/model/checkpoint.hpp"
#include "fusion/listed_files.hpp"
#include "fusion/manifest_facts.hpp"
#include "fusion/second_run.hpp"
#include "fusion/shard_scan.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// A listed file that is there with its listed size.
struct Item {
  std::string name{};
  fs::path path{};
  FileFacts facts{};
  bool is_shard = false;
  const Shard* base_shard = nullptr;  ///< of the same size, if there is a base
  ShardScan scan{};
  std::string unreadable{};  ///< why, if it could not be read
};

const Shard* find_shard(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = std::ranges::find(checkpoint.shards, name, &Shard::file);
  return found == checkpoint.shards.end() ? nullptr : &*found;
}

bool is_interruption(const Error& error) { return error.kind() == "interrupted"; }

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

class Verifier {
 public:
  Verifier(const VerifySettings& settings, Backend& backend, const Execution& execution)
      : settings_(settings), backend_(backend), execution_(execution) {}

  VerifyReport run() {
    if (!is_folder(settings_.output)) {
      throw Error(Failure::kBadInput, "not-a-folder", "there is no such folder",
                  Place{.file = settings_.output.string()});
    }
    std::optional<Json> manifest;
    try {
      manifest = read_manifest(settings_.output);
      facts_ = read_facts(*manifest, (settings_.output / kManifestName).string());
    } catch (const Error& error) {
      problem(kManifestName, {}, error.message());
      check_without_manifest();
      return std::move(report_);
    }
    ++report_.files;
    check("the manifest's own hash");
    if (settings_.base || settings_.recompute) {
      base_ = open_checkpoint(base_place());
      base_is_given_ = true;
    }
    check_listing();
    scan_items();
    for (Item& item : items_) judge(item);
    check(fmt::format("XXH3-128 of {} listed files", items_.size()));
    if (base_) check_base();
    if (settings_.recompute) {
      compare_with_second_run(plan_again(), facts_, *manifest, backend_, execution_, report_);
    }
    return std::move(report_);
  }

 private:
  void problem(std::string file, std::string tensor, std::string message) {
    report_.problems.push_back({std::move(file), std::move(tensor), std::move(message)});
  }
  void check(std::string what) { report_.checks.push_back(std::move(what)); }

  /// The base that was given, else where the manifest says it was found, else the model's name.
  std::string base_place() const {
    if (settings_.base) return *settings_.base;
    return is_folder(facts_.base_folder) ? facts_.base_folder : facts_.model;
  }

  void check_without_manifest() {
    try {
      const Checkpoint checkpoint = open_checkpoint(settings_.output.string());
      check(fmt::format("config, index and headers of {} shards are consistent",
                        checkpoint.shards.size()));
      if (settings_.base) compare_headers(checkpoint, open_checkpoint(*settings_.base));
    } catch (const Error& error) {
      problem(error.place().file, error.place().tensor, error.message());
    }
  }

  void compare_headers(const Checkpoint& checkpoint, const Checkpoint& base) {
    std::uint64_t alike = 0;
    for (const Shard& shard : base.shards) {
      for (const TensorInfo& tensor : shard.header.tensors()) {
        const auto found = checkpoint.find(tensor.name);
        if (!found) {
          problem(shard.file, tensor.name, "the base has this tensor, the checkpoint has not");
        } else if (found->second->dtype != tensor.dtype || found->second->shape != tensor.shape) {
          problem(checkpoint.shards[found->first].file, tensor.name,
                  "has another type or shape than in the base");
        } else {
          ++alike;
        }
      }
    }
    check(fmt::format("{} tensors have the base's name, type and shape", alike));
  }

  void check_listing() {
    std::map<std::string, FoundFile> found = find_files(settings_.output);
    if (found.contains(kManifestName) && found[kManifestName].kind == ListedKind::kLink) {
      problem(kManifestName, {}, "is a link that leads out of the checkpoint");
    }
    found.erase(kManifestName);
    list_items(facts_.shards, true, found);
    list_items(facts_.files, false, found);
    for (const auto& [name, file] : found) {
      if (!is_hidden(name)) problem(name, {}, "is not in the manifest");
    }
    check("no file is missing or extra (dot-files apart)");
  }

  /// Takes what is listed out of `found`.
  void list_items(const std::map<std::string, FileFacts>& listed, bool shards,
                  std::map<std::string, FoundFile>& found) {
    for (const auto& [name, facts] : listed) {
      const auto file = found.find(name);
      if (file == found.end()) {
        problem(name, {}, "is missing");
        continue;
      }
      const FoundFile there = std::move(file->second);
      found.erase(file);
      if (there.kind == ListedKind::kLink || there.kind == ListedKind::kOther) {
        problem(name, {},
                there.kind == ListedKind::kLink ? "is a link that leads out of the checkpoint"
                                                : "is no regular file");
        continue;
      }
      std::error_code failure;
      const std::uint64_t bytes = fs::file_size(there.path, failure);
      if (!failure && bytes != facts.bytes) {
        problem(name, {}, fmt::format("has {} bytes, written were {}", bytes, facts.bytes));
        continue;
      }
      Item item{.name = name, .path = there.path, .facts = facts, .is_shard = shards};
      if (shards && base_) item.base_shard = fitting_base_shard(item);
      items_.push_back(std::move(item));
    }
  }

  const Shard* fitting_base_shard(const Item& item) const {
    const Shard* shard = find_shard(*base_, item.name);
    return shard != nullptr && shard->header.file_bytes() == item.facts.bytes ? shard : nullptr;
  }

  void scan(Item& item) const {
    try {
      const File file = File::open(item.path);
      std::optional<File> base;
      if (item.base_shard != nullptr) base = File::open(base_->folder / item.name);
      item.scan = scan_shard(file, base ? &*base : nullptr,
                             base ? &item.base_shard->header : nullptr, execution_);
    } catch (const Error& error) {
      if (is_interruption(error)) throw;
      item.unreadable = error.what();
    }
  }

  void scan_items() {
    std::uint64_t bytes = 0;
    for (const Item& item : items_) {
      bytes += item.facts.bytes * (item.base_shard != nullptr ? 2 : 1);
    }
    execution_.begin("verify", bytes);
    tbb::task_arena arena(execution_.thread_count());
    arena.execute([&] {
      for (Item& item : items_) scan(item);
    });
    execution_.end();
    report_.files += items_.size();
    report_.bytes += bytes;
  }

  /// The file against its hash; what is wrong is named as closely as can be.
  void judge(Item& item) {
    if (!item.unreadable.empty()) {
      problem(item.name, {}, item.unreadable);
      return;
    }
    if (item.scan.hash == item.facts.hash) return;
    if (!item.is_shard || !locate(item)) {
      problem(item.name, {},
              item.is_shard
                  ? std::string("was changed, in its header or in a tensor that the run did not "
                                "edit; with --base the tensor can be named")
                  : std::string("was changed since it was written"));
    }
  }

  /// Names the header or the tensors of a shard that changed; false if none could be told.
  bool locate(Item& item) {
    ScanBuffers buffers;
    const std::size_t before = report_.problems.size();
    std::vector<Segment> segments = item.scan.segments;
    if (segments.empty()) segments = segments_from_recorded_base(item);
    const bool has_base = !segments.empty();
    if (!has_base) {
      try {
        segments = segments_of(read_safetensors_header(item.path));
      } catch (const Error& error) {
        problem(item.name, {}, fmt::format("the header was changed: {}", error.message()));
        return true;
      }
    }
    const File file = File::open(item.path);
    for (const Segment& segment : segments) {
      const auto edited = facts_.edited.find(segment.tensor);
      if (segment.tensor.empty()) {
        if (segment.first_difference) {
          problem(
              item.name, {},
              fmt::format("the header was changed, from byte {} on", *segment.first_difference));
        }
      } else if (edited != facts_.edited.end()) {
        if (hash_range(file, segment.bytes, buffers, execution_) != edited->second) {
          problem(item.name, segment.tensor,
                  fmt::format("was changed since it was written, in bytes [{}, {})",
                              segment.bytes.begin, segment.bytes.end));
        }
      } else if (segment.first_difference) {
        problem(item.name, segment.tensor,
                fmt::format("was changed since it was written, from byte {} on",
                            *segment.first_difference));
      }
    }
    return report_.problems.size() > before;
  }

  /// The base that the manifest names, if it is still there and still the same, tells where a shard
  /// differs without having been asked for.
  std::vector<Segment> segments_from_recorded_base(const Item& item) const {
    const auto recorded = facts_.base_shards.find(item.name);
    if (base_is_given_ || recorded == facts_.base_shards.end()) return {};
    try {
      const fs::path path = fs::path(facts_.base_folder) / item.name;
      const SafetensorsHeader header = read_safetensors_header(path);
      if (header.file_bytes() != item.facts.bytes) return {};
      const File base = File::open(path);
      ShardScan scan = scan_shard(File::open(item.path), &base, &header, execution_);
      return scan.base_hash == recorded->second.hash ? std::move(scan.segments)
                                                     : std::vector<Segment>{};
    } catch (const Error& error) {
      if (is_interruption(error)) throw;
      return {};
    }
  }

  void check_base() {
    for (const auto& [name, facts] : facts_.base_shards) {
      const Shard* shard = find_shard(*base_, name);
      if (shard == nullptr) {
        problem((base_->folder / name).string(), {}, "the base lacks this shard");
      } else if (shard->header.file_bytes() != facts.bytes) {
        problem((base_->folder / name).string(), {},
                fmt::format("the base's shard has {} bytes, the one that was fused had {}",
                            shard->header.file_bytes(), facts.bytes));
      }
    }
    std::uint64_t compared = 0;
    std::map<std::string, std::string> not_seen = facts_.edited;
    for (const Item& item : items_) {
      if (!item.is_shard || item.scan.segments.empty()) continue;
      const auto recorded = facts_.base_shards.find(item.name);
      if (recorded != facts_.base_shards.end() && recorded->second.hash != item.scan.base_hash) {
        problem((base_->folder / item.name).string(), {},
                "the base's shard is not the one that was fused: its hash differs");
      }
      const bool as_written = item.scan.hash == item.facts.hash;
      for (const Segment& segment : item.scan.segments) {
        not_seen.erase(segment.tensor);
        if (!segment.tensor.empty()) ++compared;
        compare_with_base(item, segment, as_written);
      }
    }
    for (const auto& [tensor, hash] : not_seen) {
      problem(kManifestName, tensor, "is listed as edited, but stands in no shard compared");
    }
    report_.tensors += compared;
    check(fmt::format("{} tensors against the base: exactly the {} listed as edited differ",
                      compared, facts_.edited.size()));
  }

  void compare_with_base(const Item& item, const Segment& segment, bool as_written) {
    const bool edited = facts_.edited.contains(segment.tensor);
    const bool differs = segment.first_difference.has_value();
    if (edited && !differs) {
      problem(item.name, segment.tensor, "is listed as edited, but equals the base");
    } else if (!edited && differs && as_written) {  // else locate() said it
      problem(item.name, segment.tensor,
              fmt::format("{} differs from the base from byte {} on, but is not listed as edited",
                          segment.tensor.empty() ? "the header" : "the tensor",
                          *segment.first_difference));
    }
  }

  FusePlan plan_again() const {
    FuseSettings settings;
    settings.model = base_place();
    settings.weights = settings_.weights ? *settings_.weights : fs::path(facts_.weights);
    settings.parameters = facts_.parameters;
    settings.layers = facts_.layers;
    std::error_code ignored;
    if (!fs::exists(settings.weights, ignored)) {
      throw Error(Failure::kBadInput, "delta-missing", "the delta is not there",
                  Place{.file = settings.weights.string()}, "name it with --weights");
    }
    return plan_fuse(settings);
  }

  const VerifySettings& settings_;
  Backend& backend_;
  const Execution& execution_;
  ManifestFacts facts_{};
  std::optional<Checkpoint> base_{};
  bool base_is_given_ = false;
  std::vector<Item> items_{};
  VerifyReport report_{};
};

}  // namespace

VerifyReport verify(const VerifySettings& settings, Backend& backend, const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  VerifyReport report = Verifier(settings, backend, execution).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace contourfuse
