// Fusing points and asking a command about them.
#include "contourfuse/sweep/evaluate.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFolder = "evaluations";
constexpr std::string_view kPlaceholder = "{model}";
constexpr std::size_t kMaxCommand = 65536;
constexpr std::size_t kMaxOutput = std::size_t{64} << 20;
constexpr std::size_t kPipeBuffer = 65536;

std::string quoted_for_shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string command_for(std::string command, const fs::path& model) {
  const std::string path = quoted_for_shell(model.string());
  for (std::size_t at = command.find(kPlaceholder); at != std::string::npos;
       at = command.find(kPlaceholder, at + path.size())) {
    command.replace(at, kPlaceholder.size(), path);
  }
  return command;
}

[[noreturn]] void refuse(const char* kind, std::string message) {
  throw Error(Failure::kFailed, kind, "--evaluate: " + std::move(message), {},
              "the command must end with status 0, and its last line of output be one JSON object "
              "of numbers");
}

/// What the command writes to standard output; its standard error is the user's.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) refuse("evaluate-not-started", std::generic_category().message(errno));
  std::string output;
  std::array<char, kPipeBuffer> buffer{};
  for (std::size_t count = 1; count > 0;) {
    count = std::fread(buffer.data(), 1, buffer.size(), pipe);
    output.append(buffer.data(), count);
    // Only the last line counts; a command may say much before it.
    if (output.size() > kMaxOutput) output.erase(0, output.size() - kMaxOutput / 2);
  }
  const int status = ::pclose(pipe);
  if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    refuse("evaluate-failed",
           WIFEXITED(status) ? fmt::format("the command ended with status {}", WEXITSTATUS(status))
                             : "the command was ended by a signal");
  }
  return output;
}

std::map<std::string, double> metrics_in(const std::string& output) {
  const std::size_t end = output.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) refuse("evaluate-no-metrics", "the command wrote nothing");
  const std::size_t begin = output.find_last_of('\n', end);
  const std::string line = output.substr(begin == std::string::npos ? 0 : begin + 1,
                                         begin == std::string::npos ? end + 1 : end - begin);
  const nlohmann::json document = nlohmann::json::parse(line, nullptr, false);
  if (!document.is_object()) {
    refuse("evaluate-no-metrics", "the last line of output is no JSON object");
  }
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : document.items()) {
    if (!value.is_number()) {
      refuse("evaluate-no-metrics", fmt::format("\"{}\" is no number", name));
    }
    metrics.emplace(name, value.get<double>());
  }
  return metrics;
}

fs::path evaluation_path(const fs::path& run, std::size_t alpha, std::size_t gamma) {
  return run / kFolder / fmt::format("{}-{}.json", gamma, alpha);
}

/// A folder that is removed whatever happens.
class Scratch {
 public:
  explicit Scratch(fs::path path) : path_(std::move(path)) { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

struct StoredEvaluation {
  std::string plan{};
  std::string command{};
  std::map<std::string, double> metrics{};
};

std::optional<StoredEvaluation> read_evaluation(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const nlohmann::json document = read_json(path);
  const JsonFields fields(document, path.string(), "");
  StoredEvaluation stored{
      fields.text("plan", kMaxCommand), fields.text("command", kMaxCommand), {}};
  const JsonFields metrics = fields.object("metrics");
  for (const auto& item : fields.at("metrics").items()) {
    stored.metrics.emplace(item.key(), metrics.number(item.key()));
  }
  return stored;
}

void evaluate(const SweepPlan& plan, const fs::path& run, const BudgetPoint& point,
              const std::string& command, Backend& fuser, const Execution& execution) {
  const fs::path path = evaluation_path(run, point.alpha, point.gamma);
  const std::string digest = plan_digest(plan);
  const auto stored = read_evaluation(path);
  if (stored && stored->plan == digest && stored->command == command) return;

  const Scratch scratch(run / kFolder / fmt::format("model-{}-{}", point.gamma, point.alpha));
  FuseSettings settings =
      point_settings(plan, plan.settings.alphas[point.alpha], plan.settings.gammas[point.gamma]);
  settings.output = scratch.path();
  settings.durability = Durability::kNone;
  run_fuse(plan_fuse(settings), fuser, execution);
  const auto metrics = metrics_in(output_of(command_for(command, scratch.path())));
  const OrderedJson document{{"plan", digest},
                             {"alpha", plan.settings.alphas[point.alpha]},
                             {"gamma_cap", plan.settings.gammas[point.gamma]},
                             {"command", command},
                             {"metrics", metrics}};
  write_text(path, document.dump(2) + '\n', true);
}

/// Points inside the budget: the front first, then by |α|·γ.
std::vector<BudgetPoint> furthest_points(const SweepPlan& plan, const MergedSweep& merged,
                                         std::size_t most) {
  const SweepSettings& settings = plan.settings;
  const auto further = [&settings](const BudgetPoint& a, const BudgetPoint& b) {
    const auto extent = [&settings](const BudgetPoint& point) {
      return std::abs(settings.alphas[point.alpha]) * settings.gammas[point.gamma];
    };
    return extent(a) > extent(b);
  };
  std::vector<BudgetPoint> points = merged.budget.front;
  std::stable_sort(points.begin(), points.end(), further);
  const auto on_front = [&merged](std::size_t alpha, std::size_t gamma) {
    return std::any_of(merged.budget.front.begin(), merged.budget.front.end(),
                       [alpha, gamma](const BudgetPoint& point) {
                         return point.alpha == alpha && point.gamma == gamma;
                       });
  };
  std::vector<BudgetPoint> others;
  for (std::size_t g = 0; g < settings.gammas.size(); ++g) {
    for (std::size_t a = 0; a < settings.alphas.size(); ++a) {
      const auto value =
          budget_value(merged.results, merged.budget.budget.metric, a, g, settings.alphas.size());
      if (value && *value <= merged.budget.budget.limit && !on_front(a, g)) {
        others.push_back({a, g, *value});
      }
    }
  }
  std::stable_sort(others.begin(), others.end(), further);
  points.insert(points.end(), others.begin(), others.end());
  points.resize(std::min(points.size(), most));
  return points;
}

std::vector<BudgetPoint> all_points(const SweepPlan& plan, const MergedSweep& merged) {
  std::vector<BudgetPoint> points;
  for (std::size_t g = 0; g < plan.settings.gammas.size(); ++g) {
    for (std::size_t a = 0; a < plan.settings.alphas.size(); ++a) {
      const auto value = budget_value(merged.results, merged.budget.budget.metric, a, g,
                                      plan.settings.alphas.size());
      points.push_back({a, g, value.value_or(std::numeric_limits<double>::quiet_NaN())});
    }
  }
  return points;
}

/// A whole number above 0.
std::optional<std::size_t> number_in(std::string_view text) {
  std::size_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number == 0) return std::nullopt;
  return number;
}

bool selects_every_layer(const SweepPlan& plan) {
  std::size_t with_delta = 0;
  for (const MlpLayer& layer : plan.fuse.base.layers) {
    if (plan.fuse.delta.find(layer, Role::kGate) || plan.fuse.delta.find(layer, Role::kDown)) {
      ++with_delta;
    }
  }
  return with_delta == plan.settings.layers.size();
}

}  // namespace

FuseSettings point_settings(const SweepPlan& plan, double alpha, double gamma) {
  FuseSettings settings = plan.fuse.settings;
  settings.parameters.alpha = alpha;
  settings.parameters.gamma_cap = gamma;
  if (selects_every_layer(plan)) settings.layers.clear();
  settings.command = fuse_command(settings);
  return settings;
}

void check_selection(std::string_view selection) {
  for (const char* word : {"all", "pareto", "best"}) {
    if (selection == word) return;
  }
  if (number_in(selection)) return;
  throw Error(Failure::kUsage, "bad-points",
              fmt::format("--points \"{}\" is neither all, pareto, best nor a number", selection));
}

std::vector<BudgetPoint> select_points(const SweepPlan& plan, const MergedSweep& merged,
                                       std::string_view selection) {
  check_selection(selection);
  if (selection == "all") return all_points(plan, merged);
  if (selection == "pareto") return merged.budget.front;
  if (selection == "best") {
    if (!merged.budget.best) return {};
    return {*merged.budget.best};
  }
  return furthest_points(plan, merged, *number_in(selection));
}

void evaluate_points(const SweepPlan& plan, const fs::path& run,
                     const std::vector<BudgetPoint>& points, const std::string& command,
                     Backend& fuser, const Execution& execution) {
  make_folders(run / kFolder, true);
  for (const BudgetPoint& point : points) {
    execution.check_cancelled();
    evaluate(plan, run, point, command, fuser, execution);
  }
}

std::vector<Evaluation> read_evaluations(const SweepPlan& plan, const fs::path& run) {
  std::vector<Evaluation> evaluations;
  std::error_code ignored;
  if (!fs::exists(run / kFolder, ignored)) return evaluations;
  const std::string digest = plan_digest(plan);
  for (std::size_t g = 0; g < plan.settings.gammas.size(); ++g) {
    for (std::size_t a = 0; a < plan.settings.alphas.size(); ++a) {
      auto stored = read_evaluation(evaluation_path(run, a, g));
      if (stored && stored->plan == digest) {
        evaluations.push_back({a, g, std::move(stored->metrics)});
      }
    }
  }
  return evaluations;
}

}  // namespace contourfuse
