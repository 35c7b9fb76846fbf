// Composing and reading plan.json.
#include "sweep/plan_document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"

namespace contourfuse {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kPlanSchema = "contourfuse.sweep.plan/1";
constexpr std::size_t kMaxText = 65536;
constexpr std::size_t kMaxEntries = 1'000'000;
constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMaxTime = std::numeric_limits<std::int64_t>::max();

template <class Value, std::size_t count>
Value word(const JsonFields& fields, std::string_view key, const std::array<Value, count>& values) {
  const std::string text = fields.text(key, kMaxText);
  for (const Value value : values) {
    if (to_string(value) == text) return value;
  }
  fields.refuse(key, "has an unknown value");
}

constexpr std::array kNorms{VarianceNorm::kMatch, VarianceNorm::kUnit, VarianceNorm::kNone};
constexpr std::array kRoundings{Rounding::kNearest, Rounding::kStochastic};
constexpr std::array kMetrics{BudgetMetric::kErrorAfterNorm, BudgetMetric::kOutputError,
                              BudgetMetric::kDrift};

void read_parameters(const JsonFields& fields, SweepSettings& settings) {
  fields.allow({"variance_norm", "rounding", "rounding_seed", "probe_tokens", "probe_seed", "exact",
                "layers_per_task"});
  settings.variance_norm = word(fields, "variance_norm", kNorms);
  settings.rounding = word(fields, "rounding", kRoundings);
  settings.rounding_seed = fields.whole_number("rounding_seed", 0, kAny);
  settings.probe_tokens = fields.whole_number("probe_tokens", 0, kMaxProbeTokens);
  settings.probe_seed = fields.whole_number("probe_seed", 0, kAny);
  settings.exact = fields.boolean("exact");
  settings.layers_per_task = fields.whole_number("layers_per_task", 1, kAny);
}

/// The values of an axis: at least one, as everything measured has a value at each point.
std::vector<double> read_axis(const JsonFields& fields, std::string_view key,
                              bool negative_allowed) {
  std::vector<double> values = fields.numbers(key, kMaxEntries);
  if (values.empty()) fields.refuse(key, "has no value");
  if (!negative_allowed &&
      std::ranges::any_of(values, [](double value) { return std::signbit(value); })) {
    fields.refuse(key, "holds a negative value");
  }
  return values;
}

std::vector<std::vector<std::uint64_t>> read_tasks(const JsonFields& fields) {
  std::vector<std::vector<std::uint64_t>> tasks;
  std::optional<std::uint64_t> latest;  // a layer stands in one task, once
  for (const nlohmann::json& task : fields.array("tasks", kMaxEntries)) {
    if (!task.is_array() || task.empty()) fields.refuse("tasks", "holds an entry without layers");
    tasks.emplace_back();
    for (const nlohmann::json& layer : task) {
      if (!layer.is_number_unsigned()) fields.refuse("tasks", "holds a layer that is no number");
      const auto number = layer.get<std::uint64_t>();
      if (latest && number <= *latest) fields.refuse("tasks", "holds layers that do not ascend");
      latest = number;
      tasks.back().push_back(number);
    }
  }
  if (tasks.empty()) fields.refuse("tasks", "is empty");
  return tasks;
}

PlannedFile read_file(const JsonFields& fields) {
  fields.allow({"path", "bytes", "inode", "modified_ns"});
  const nlohmann::json& modified = fields.at("modified_ns");
  if (!modified.is_number_integer() ||
      (modified.is_number_unsigned() && modified.get<std::uint64_t>() > kMaxTime)) {
    fields.refuse("modified_ns", "is not a whole number of 64 bits with a sign");
  }
  return {fields.text("path", kMaxText), fields.whole_number("bytes", 0, kAny),
          fields.whole_number("inode", 0, kAny), modified.get<std::int64_t>()};
}

}  // namespace

std::string plan_text(const SweepPlan& plan) {
  const SweepSettings& settings = plan.settings;
  OrderedJson document{{"schema", kPlanSchema},
                       {"version", CONTOURFUSE_VERSION},
                       {"model", settings.model},
                       {"revision", settings.revision},
                       {"weights", settings.weights.string()},
                       {"probe", settings.probe.string()},
                       {"parameters",
                        {{"variance_norm", to_string(settings.variance_norm)},
                         {"rounding", to_string(settings.rounding)},
                         {"rounding_seed", settings.rounding_seed},
                         {"probe_tokens", settings.probe_tokens},
                         {"probe_seed", settings.probe_seed},
                         {"exact", settings.exact},
                         {"layers_per_task", settings.layers_per_task}}},
                       {"budget", nullptr},
                       {"alphas", settings.alphas},
                       {"gammas", settings.gammas},
                       {"tasks", plan.tasks},
                       {"base_digest", plan.base_digest},
                       {"contents", plan.contents},
                       {"files", OrderedJson::array()}};
  if (settings.budget) {
    document["budget"] = {{"metric", to_string(settings.budget->metric)},
                          {"limit", settings.budget->limit}};
  }
  for (const PlannedFile& file : plan.files) {
    document["files"].push_back({{"path", file.path},
                                 {"bytes", file.bytes},
                                 {"inode", file.inode},
                                 {"modified_ns", file.modified_ns}});
  }
  return document.dump(2) + '\n';
}

std::string plan_digest(const SweepPlan& plan) { return hash_text(plan_text(plan)); }

SweepPlan parse_plan(std::string_view text, const std::string& file) {
  const nlohmann::json document = parse_json(text, file);
  const JsonFields fields(document, file, "");
  if (fields.text("schema", kMaxText) != kPlanSchema) {
    fields.refuse("schema", "is of another kind or version of document");
  }
  fields.allow({"schema", "version", "model", "revision", "weights", "probe", "parameters",
                "budget", "alphas", "gammas", "tasks", "base_digest", "contents", "files"});
  SweepPlan plan;
  SweepSettings& settings = plan.settings;
  settings.model = fields.text("model", kMaxText);
  settings.revision = fields.text("revision", kMaxText);
  settings.weights = fields.text("weights", kMaxText);
  settings.probe = fields.text("probe", kMaxText);
  read_parameters(fields.object("parameters"), settings);
  settings.alphas = read_axis(fields, "alphas", true);
  settings.gammas = read_axis(fields, "gammas", false);
  if (!fields.at("budget").is_null()) {
    const JsonFields budget = fields.object("budget");
    budget.allow({"metric", "limit"});
    settings.budget = Budget{word(budget, "metric", kMetrics), budget.number("limit")};
  }
  plan.tasks = read_tasks(fields);
  for (const auto& task : plan.tasks) {
    for (const std::uint64_t layer : task) settings.layers.push_back(std::to_string(layer));
  }
  plan.base_digest = fields.text("base_digest", kMaxText);
  const JsonFields contents = fields.object("contents");
  for (const auto& item : fields.at("contents").items()) {
    plan.contents.emplace(item.key(), contents.text(item.key(), kMaxText));
  }
  for (std::size_t i = 0; i < fields.array("files", kMaxEntries).size(); ++i) {
    plan.files.push_back(read_file(fields.entry("files", i)));
  }
  return plan;
}

}  // namespace contourfuse
