// Parsing of axes, probes and budget.
#include "sweep_flags.hpp"

#include <functional>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/sweep/axes.hpp"
#include "contourfuse/sweep/evaluate.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

/// A probe of a million tokens would fill any machine's memory.

/// Runs a parser of the sweep's layer, its refusals being those of the flag.
void parse_flag(const std::string& name, const std::function<void()>& parse) {
  try {
    parse();
  } catch (const Error& error) {
    throw CLI::ValidationError(name, error.message());
  }
}

void add_axis(CLI::App& command, const std::string& name, std::vector<double>& values,
              bool negative_allowed, const std::string& description) {
  command
      .add_option_function<std::vector<std::string>>(
          name,
          [name, negative_allowed, &values](const std::vector<std::string>& words) {
            parse_flag(name, [&] { values = parse_axis(name, words, negative_allowed); });
          },
          description)
      ->required()
      ->type_name("VALUE")
      ->expected(1, -1);
}

}  // namespace

void add_plan_flags(CLI::App& command, const std::shared_ptr<SweepRequest>& request) {
  SweepSettings& settings = request->settings;
  command
      .add_option("--model", settings.model,
                  "The base checkpoint: a folder, or a hub id in the local cache")
      ->required()
      ->type_name("MODEL");
  command.add_option("--weights", settings.weights, "The delta: a folder, or a delta.json alone")
      ->required()
      ->type_name("DELTA");
  command.add_option("--output", request->run, "Folder of the run: plan, parts, results, report")
      ->required()
      ->type_name("RUN");
  add_axis(command, "--alphas", settings.alphas, true,
           "Values of alpha: numbers, log:LOW:HIGH:COUNT or lin:LOW:HIGH:COUNT");
  add_axis(command, "--gammas", settings.gammas, false, "Values of the gamma cap, likewise");
  command
      .add_option("--layers", settings.layers,
                  "Layers to edit: numbers, ranges such as 0-9, global, sliding, all (default)")
      ->type_name("LAYER")
      ->expected(1, -1);
  command.add_option("--revision", settings.revision, "Revision of a hub id (default: main)")
      ->type_name("REV");
  add_choice<VarianceNorm>(command, "--variance-norm", settings.variance_norm,
                           {{"match", VarianceNorm::kMatch},
                            {"unit", VarianceNorm::kUnit},
                            {"none", VarianceNorm::kNone}},
                           "How alpha is scaled for each down_proj (default: match)")
      ->group("Numbers");
  add_choice<Rounding>(command, "--rounding", settings.rounding,
                       {{"nearest", Rounding::kNearest}, {"stochastic", Rounding::kStochastic}},
                       "How results would be rounded; counts of stochastic rounding are "
                       "expectations (default: nearest)")
      ->group("Numbers");
  add_whole_number(
      command, "--rounding-seed", [&settings](std::uint64_t n) { settings.rounding_seed = n; },
      "Seed of stochastic rounding (default: 0)")
      ->group("Numbers");
  command
      .add_flag("--exact", settings.exact,
                "Measure what each point would store, through the fuser itself (slow)")
      ->group("Numbers");
  command
      .add_option("--probe", settings.probe,
                  "Captured MLP inputs (layers.N.mlp_input) instead of seeded ones")
      ->type_name("FILE")
      ->group("Probes");
  add_whole_number(
      command, "--probe-tokens", [&settings](std::uint64_t n) { settings.probe_tokens = n; },
      "Rows of seeded probes; 0 measures weights only (default: 256)", 0, kMaxProbeTokens)
      ->group("Probes");
  add_whole_number(
      command, "--probe-seed", [&settings](std::uint64_t n) { settings.probe_seed = n; },
      "Seed of the probes (default: 0)")
      ->group("Probes");
  command
      .add_option_function<std::string>(
          "--budget",
          [&settings](const std::string& text) {
            parse_flag("--budget", [&] { settings.budget = parse_budget(text); });
          },
          "Largest error_after_norm, output_error or drift (default: error_after_norm=0.05)")
      ->type_name("METRIC=VALUE");
  add_whole_number(
      command, "--layers-per-task", [&settings](std::uint64_t n) { settings.layers_per_task = n; },
      "Layers that are measured and kept as one part (default: 1)", 1)
      ->group("Cluster");
}

void add_evaluate_flags(CLI::App& command, const std::shared_ptr<SweepRequest>& request) {
  command
      .add_option("--evaluate", request->evaluate,
                  "Fuse points into a scratch folder and run CMD on each ({model} is the folder); "
                  "its last line of output is a JSON object of numbers")
      ->type_name("CMD")
      ->group("Evaluation");
  command
      .add_option_function<std::string>(
          "--points",
          [request](const std::string& text) {
            parse_flag("--points", [&] { check_selection(text); });
            request->points = text;
          },
          "Which points are evaluated: all, pareto, best, or a number (default: pareto)")
      ->type_name("POINTS")
      ->group("Evaluation");
}

}  // namespace contourfuse
