// Composing, hashing and reading contourfuse.json.
#include "contourfuse/fusion/manifest.hpp"

#include <fmt/format.h>

#include <string_view>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/neuron/recipe.hpp"

namespace contourfuse {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kSchema = "contourfuse.fuse/1";
constexpr const char* kOwnHash = "manifest_xxh3_128";
constexpr std::size_t kHashDigits = 32;
// The own hash is the last field, so the text around its digits is known to the byte.
constexpr std::string_view kBeforeHash = ",\n  \"manifest_xxh3_128\": \"";
constexpr std::string_view kAfterHash = "\"\n}\n";

OrderedJson describe_base(const FusePlan& plan, const FuseReport& report) {
  OrderedJson shards = OrderedJson::array();
  for (std::size_t i = 0; i < plan.base.shards.size(); ++i) {
    const Shard& shard = plan.base.shards[i];
    shards.push_back({{"file", shard.file},
                      {"bytes", shard.header.file_bytes()},
                      {"xxh3_128", report.results.shards.at(i).source_hash}});
  }
  return {{"folder", plan.base.folder.string()},
          {"digest", checkpoint_digest(plan.base)},
          {"shards", std::move(shards)}};
}

OrderedJson describe_delta(const FusePlan& plan, const FuseReport& report) {
  const std::optional<DeltaRecipe>& recipe = plan.delta.recipe();
  OrderedJson delta;
  delta["kind"] = plan.delta.on_the_fly() ? "recipe" : recipe ? "stored" : "foreign";
  if (recipe) delta["recipe"] = OrderedJson::parse(recipe_text(*recipe));
  if (plan.delta.on_the_fly()) return delta;
  OrderedJson tensors = OrderedJson::array();
  for (std::size_t i = 0; i < plan.matrices.size(); ++i) {
    tensors.push_back({{"name", plan.matrices[i].view.tensor},
                       {"xxh3_128", report.results.matrices.at(i).delta_hash}});
  }
  delta["tensors"] = std::move(tensors);
  return delta;
}

OrderedJson list_shards(const FusePlan& plan, const FuseReport& report) {
  OrderedJson shards = OrderedJson::array();
  for (std::size_t i = 0; i < plan.base.shards.size(); ++i) {
    const Shard& shard = plan.base.shards[i];
    shards.push_back({{"name", shard.file},
                      {"bytes", shard.header.file_bytes()},
                      {"xxh3_128", report.results.shards.at(i).target_hash}});
  }
  return shards;
}

OrderedJson list_edited(const FusePlan& plan, const FuseReport& report) {
  OrderedJson edited = OrderedJson::array();
  for (std::size_t i = 0; i < plan.matrices.size(); ++i) {
    const MatrixResult& result = report.results.matrices.at(i);
    if (result.counts.changed == 0) continue;
    edited.push_back({{"name", plan.matrices[i].view.tensor}, {"xxh3_128", result.weight_hash}});
  }
  return edited;
}

[[noreturn]] void damaged(const std::filesystem::path& path, std::string message) {
  throw Error(Failure::kFailed, "manifest-damaged", std::move(message),
              Place{.file = path.string()}, "take the checkpoint again from where it came from");
}

}  // namespace

OrderedJson make_manifest(const FusePlan& plan, const FuseReport& report,
                          const std::vector<ListedFile>& side_files) {
  OrderedJson manifest = fuse_document(plan, report);
  // What two equal runs into different folders do not share.
  manifest.erase("seconds");
  manifest.erase("output");
  manifest.erase("kept_shards");
  // Those of the plan: what was moved in fact depends on filesystem and device.
  const PlannedBytes planned = planned_bytes(plan);
  manifest["bytes"] = {
      {"read", planned.read}, {"written", planned.written}, {"delta_read", planned.delta_read}};
  manifest["command"] = plan.settings.command;
  manifest["base"] = describe_base(plan, report);
  manifest["delta"] = describe_delta(plan, report);
  manifest["shards"] = list_shards(plan, report);
  OrderedJson files = OrderedJson::array();
  for (const ListedFile& file : side_files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh3_128", file.xxh3_128}});
  }
  manifest["files"] = std::move(files);
  manifest["edited"] = list_edited(plan, report);
  manifest[kOwnHash] = "";
  manifest[kOwnHash] = hash_text(manifest_text(manifest));
  return manifest;
}

std::string manifest_text(const OrderedJson& manifest) {
  // Paths need not be UTF-8; JSON must be.
  return manifest.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + '\n';
}

nlohmann::json read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kManifestName;
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
    throw Error(Failure::kFailed, "manifest-missing", "the folder has no manifest",
                Place{.file = path.string()},
                "only a checkpoint that contourfuse fuse wrote can be verified");
  }
  std::string text;
  nlohmann::json manifest;
  try {
    text = read_text(path, kMaxJsonBytes);
    manifest = parse_json(text, path.string());
  } catch (const Error& error) {
    damaged(path, fmt::format("the manifest cannot be read: {}", error.message()));
  }
  const std::size_t tail = kHashDigits + kAfterHash.size();
  if (text.size() < kBeforeHash.size() + tail || !text.ends_with(kAfterHash) ||
      !std::string_view(text).substr(0, text.size() - tail).ends_with(kBeforeHash)) {
    damaged(path, fmt::format("the manifest does not end with its own hash, \"{}\"", kOwnHash));
  }
  const std::string written = text.substr(text.size() - tail, kHashDigits);
  text.erase(text.size() - tail, kHashDigits);
  const std::string now = hash_text(text);
  if (now != written) {
    damaged(path, fmt::format("the manifest was changed: it says its hash is {}, but it is {}",
                              written, now));
  }
  const auto schema = manifest.find("schema");
  if (schema == manifest.end() || *schema != std::string(kSchema)) {
    damaged(path, fmt::format("the manifest's schema is not \"{}\"", kSchema));
  }
  return manifest;
}

}  // namespace contourfuse
