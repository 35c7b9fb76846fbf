// Journals as lines of JSON, each with its own hash.
#include "contourfuse/fusion/journal.hpp"

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSchema = "contourfuse.journal/1";
constexpr std::size_t kHashDigits = 32;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxMatrices = 1'000'000;
constexpr std::uint64_t kAnyCount = std::numeric_limits<std::uint64_t>::max();

Json describe(std::string name, const FileIdentity& identity) {
  // Not the device: its number differs between the nodes of a cluster.
  return {{"file", std::move(name)},
          {"bytes", identity.bytes},
          {"inode", identity.inode},
          {"modified_ns", identity.modified_ns}};
}

Json describe(const FuseParameters& parameters) {
  return {{"alpha", parameters.alpha},
          {"gamma_cap", parameters.gamma_cap},
          {"variance_norm", to_string(parameters.variance_norm)},
          {"rounding", to_string(parameters.rounding)},
          {"rounding_seed", parameters.rounding_seed},
          {"nonfinite", to_string(parameters.nonfinite)}};
}

template <class Value>
Json json_or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json matrix_line(const MatrixResult& matrix) {
  const RecordCounts& counts = matrix.counts;
  const RecordSums& sums = matrix.sums;
  return {{"sigma_weight", json_or_null(matrix.sigma_weight)},
          {"sigma_delta", json_or_null(matrix.sigma_delta)},
          {"alpha_dynamic", json_or_null(matrix.alpha_dynamic)},
          {"delta_is_zero", matrix.delta_is_zero},
          {"moved", counts.moved},
          {"changed", counts.changed},
          {"lost", counts.lost},
          {"clamped", counts.clamped},
          {"sign_flips", counts.sign_flips},
          {"zero_weights", counts.zero_weights},
          {"nonfinite_kept", counts.nonfinite_kept},
          {"sum_w2", sums.weight2},
          {"sum_out2", sums.out2},
          {"sum_change2", sums.change2},
          {"sum_change", sums.change},
          {"sum_w_out", sums.weight_out},
          {"max_change", sums.max_change},
          {"weight_hash", matrix.weight_hash},
          {"delta_hash", matrix.delta_hash}};
}

std::optional<double> number_or_null(const JsonFields& fields, std::string_view key) {
  if (fields.at(key).is_null()) return std::nullopt;
  return fields.number(key);
}

MatrixResult read_matrix(const JsonFields& fields) {
  const auto count = [&fields](std::string_view key) {
    return fields.whole_number(key, 0, kAnyCount);
  };
  MatrixResult matrix;
  matrix.sigma_weight = number_or_null(fields, "sigma_weight");
  matrix.sigma_delta = number_or_null(fields, "sigma_delta");
  if (const auto alpha = number_or_null(fields, "alpha_dynamic")) {
    matrix.alpha_dynamic = static_cast<float>(*alpha);
    if (static_cast<double>(*matrix.alpha_dynamic) != *alpha) {
      fields.refuse("alpha_dynamic", "is no 32-bit number");
    }
  }
  matrix.delta_is_zero = fields.boolean("delta_is_zero");
  matrix.counts = {.moved = count("moved"),
                   .changed = count("changed"),
                   .lost = count("lost"),
                   .clamped = count("clamped"),
                   .sign_flips = count("sign_flips"),
                   .zero_weights = count("zero_weights"),
                   .nonfinite_kept = count("nonfinite_kept")};
  matrix.sums = {.weight2 = fields.number("sum_w2"),
                 .out2 = fields.number("sum_out2"),
                 .change2 = fields.number("sum_change2"),
                 .change = fields.number("sum_change"),
                 .weight_out = fields.number("sum_w_out"),
                 .max_change = fields.number("max_change")};
  matrix.weight_hash = fields.text("weight_hash", kHashDigits);
  matrix.delta_hash = fields.text("delta_hash", kHashDigits);
  return matrix;
}

FinishedShard read_shard(const JsonFields& fields) {
  FinishedShard shard;
  shard.file = fields.text("shard", kMaxNameBytes);
  shard.result = {.source_hash = fields.text("source_hash", kHashDigits),
                  .target_hash = fields.text("target_hash", kHashDigits)};
  const std::size_t matrices = fields.array("matrices", kMaxMatrices).size();
  for (std::size_t i = 0; i < matrices; ++i) {
    shard.matrices.push_back(read_matrix(fields.entry("matrices", i)));
  }
  return shard;
}

/// The JSON of the first line, if that line is whole; it and its end are taken off `text`.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || end <= kHashDigits || text[kHashDigits] != ' ') {
    return std::nullopt;
  }
  const std::string_view json = text.substr(kHashDigits + 1, end - kHashDigits - 1);
  if (text.substr(0, kHashDigits) != hash_text(json)) return std::nullopt;
  text.remove_prefix(end + 1);
  return json;
}

}  // namespace

Json journal_run(const FusePlan& plan) {
  Json run;
  run["schema"] = kSchema;
  run["version"] = CONTOURFUSE_VERSION;
  run["parameters"] = describe(plan.settings.parameters);
  run["layers"] = plan.selected_layers;
  run["base"] = Json::array();
  for (const Shard& shard : plan.base.shards) {
    run["base"].push_back(describe(shard.file, shard.identity));
  }
  run["delta"] = Json::array();
  for (const auto& file : plan.delta.files()) {
    run["delta"].push_back(describe(file->path().filename().string(), file->identity()));
  }
  const std::optional<DeltaRecipe>& recipe = plan.delta.recipe();
  run["recipe_xxh3_128"] = recipe ? Json(hash_text(recipe_text(*recipe))) : Json();
  return run;
}

Journal::Journal(const std::filesystem::path& folder, const Json& run, Durability durability)
    : file_(File::create(folder / kJournalName)), durability_(durability) {
  static_cast<void>(file_.try_lock());
  append(run);
  if (durability_ == Durability::kFull) sync_folder(folder);
}

Journal::Journal(File file, std::uint64_t bytes, Durability durability)
    : file_(std::move(file)), bytes_(bytes), durability_(durability) {
  file_.resize(bytes);
}

void Journal::append(const Json& line) {
  // File names need not be UTF-8; JSON must be.
  const std::string json = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string text = fmt::format("{} {}\n", hash_text(json), json);
  file_.write(bytes_, std::as_bytes(std::span(text)));
  bytes_ += text.size();
  if (durability_ == Durability::kFull) file_.sync();
}

void Journal::add(const FinishedShard& shard) {
  Json line{{"shard", shard.file},
            {"source_hash", shard.result.source_hash},
            {"target_hash", shard.result.target_hash},
            {"matrices", Json::array()}};
  for (const MatrixResult& matrix : shard.matrices) line["matrices"].push_back(matrix_line(matrix));
  const std::lock_guard lock(mutex_);
  append(line);
}

void Journal::remove() { remove_file(file_.path()); }

std::optional<JournalContents> parse_journal(std::string_view text, const std::string& file) {
  const std::size_t all = text.size();
  const auto first = take_line(text);
  if (!first) return std::nullopt;
  JournalContents contents;
  contents.run = parse_json(*first, file);
  const JsonFields run(contents.run, file, "");
  if (run.text("schema", kMaxNameBytes) != kSchema) run.refuse("schema", "is not known");
  static_cast<void>(run.object("parameters"));
  std::map<std::string, std::size_t, std::less<>> places;  // in contents.shards, by file
  while (const auto line = take_line(text)) {
    const Json json = parse_json(*line, file);
    FinishedShard shard = read_shard(JsonFields(json, file, ""));
    const auto [place, is_new] = places.try_emplace(shard.file, contents.shards.size());
    if (is_new) contents.shards.emplace_back();
    contents.shards[place->second] = std::move(shard);
  }
  contents.bytes = all - text.size();
  return contents;
}

std::vector<std::string> run_differences(const Json& theirs, const Json& ours) {
  const auto at = [](const Json& run, const char* key) {
    const auto found = run.find(key);
    return found == run.end() ? Json() : *found;
  };
  std::vector<std::string> differences;
  for (const auto& [key, words] :
       {std::pair{"version", "another version of the program"}, std::pair{"layers", "other layers"},
        std::pair{"base", "another base, or the base has changed"},
        std::pair{"delta", "another delta, or the delta has changed"},
        std::pair{"recipe_xxh3_128", "another recipe"}}) {
    if (at(theirs, key) != at(ours, key)) differences.emplace_back(words);
  }
  const Json parameters = at(ours, "parameters");
  const Json other = at(theirs, "parameters");
  for (const auto& [name, value] : parameters.items()) {
    const Json was = other.is_object() ? other.value(name, Json()) : Json();
    if (was != value) differences.push_back(fmt::format("{} {}", name, was.dump()));
  }
  return differences;
}

}  // namespace contourfuse
