// A merged sweep for machines and for the page.
#include <nlohmann/json.hpp>
#include <utility>

#include "contourfuse/sweep/evaluate.hpp"
#include "contourfuse/sweep/merge.hpp"

namespace contourfuse {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kMergedSchema = "contourfuse.sweep/1";

OrderedJson or_null(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson point_document(const SweepPlan& plan, const BudgetPoint& point) {
  return {{"alpha", plan.settings.alphas[point.alpha]},
          {"gamma_cap", plan.settings.gammas[point.gamma]},
          {"value", point.value}};
}

/// A column of numbers, one a point.
template <class Grid, class Number>
OrderedJson column(const Grid& grid, const Number& number) {
  OrderedJson values = OrderedJson::array();
  for (const auto& point : grid.points) values.push_back(number(grid, point));
  return values;
}

OrderedJson matrix_columns(const std::optional<MatrixGrid>& matrix, bool gate) {
  if (!matrix) return nullptr;
  const auto plain = [&matrix](auto GridPoint::*field) {
    return column(*matrix, [field](const MatrixGrid&, const GridPoint& p) { return p.*field; });
  };
  OrderedJson columns{{"covered", matrix->covered}, {"moved", plain(&GridPoint::moved)}};
  columns["drift"] =
      column(*matrix, [](const auto& grid, const auto& p) { return or_null(drift(grid, p)); });
  columns["changed"] = plain(&GridPoint::changed);
  columns["lost"] = plain(&GridPoint::lost);
  if (gate) columns["clamped"] = plain(&GridPoint::clamped);
  columns["sign_flips"] = plain(&GridPoint::sign_flips);
  columns["mean_shift"] =
      column(*matrix, [](const auto& grid, const auto& p) { return or_null(mean_shift(grid, p)); });
  return columns;
}

OrderedJson output_columns(const std::optional<OutputGrid>& output) {
  if (!output) return nullptr;
  const auto of = [&output](auto quantity) {
    return column(*output, [quantity](const OutputGrid& grid, const OutputPoint& point) {
      return or_null(quantity(grid, point));
    });
  };
  return {{"error", of(output_error)},
          {"cosine", of(output_cosine)},
          {"mean_shift", of(output_mean_shift)},
          {"error_after_norm", output->norm_base2 ? of(error_after_norm) : OrderedJson(nullptr)}};
}

OrderedJson layer_columns(const LayerGrid& layer) {
  return {{"layer", layer.layer},
          {"kind", to_string(layer.kind)},
          {"gate", matrix_columns(layer.gate, true)},
          {"down", matrix_columns(layer.down, false)},
          {"output", output_columns(layer.output)}};
}

OrderedJson parameters_document(const SweepSettings& settings) {
  OrderedJson probe = nullptr;
  if (settings.probe_tokens > 0) probe = settings.probe.empty() ? "seeded" : "captured";
  return {{"variance_norm", to_string(settings.variance_norm)},
          {"rounding", to_string(settings.rounding)},
          {"exact", settings.exact},
          {"probe", std::move(probe)},
          {"probe_tokens", settings.probe_tokens},
          {"probe_seed", settings.probe_seed}};
}

/// The command of any point: the page puts the point's own --alpha and --gamma-cap behind it.
OrderedJson command_without_point(const SweepPlan& plan) {
  OrderedJson words = OrderedJson::array();
  const std::vector<std::string> command = fuse_command(point_settings(plan, 0, 0));
  for (auto word = command.begin(); word != command.end(); ++word) {
    if (*word == "--alpha" || *word == "--gamma-cap") {
      ++word;
    } else {
      words.push_back(*word);
    }
  }
  words.push_back("--output");
  words.push_back("fused");
  return words;
}

}  // namespace

OrderedJson budget_document(const SweepPlan& plan, const BudgetReport& report) {
  OrderedJson document{{"metric", to_string(report.budget.metric)},
                       {"limit", report.budget.limit},
                       {"front", OrderedJson::array()},
                       {"best", nullptr}};
  for (const BudgetPoint& point : report.front) {
    document["front"].push_back(point_document(plan, point));
  }
  if (report.best) document["best"] = point_document(plan, *report.best);
  return document;
}

OrderedJson sweep_document(const SweepPlan& plan, const MergedSweep& merged) {
  return {{"schema", kMergedSchema},
          {"points", total_points(plan, merged.results)},
          {"budget", budget_document(plan, merged.budget)},
          {"gamma_saturates_at", or_null(gamma_saturates_at(merged.results))}};
}

std::string page_document(const SweepPlan& plan, const MergedSweep& merged) {
  const SweepSettings& settings = plan.settings;
  OrderedJson document{{"schema", kMergedSchema},
                       {"version", CONTOURFUSE_VERSION},
                       {"model", settings.model},
                       {"weights", settings.weights.string()},
                       {"parameters", parameters_document(settings)},
                       {"alphas", settings.alphas},
                       {"gammas", settings.gammas},
                       {"gamma_saturates_at", or_null(gamma_saturates_at(merged.results))},
                       {"layers", OrderedJson::array()},
                       {"budget", budget_document(plan, merged.budget)},
                       {"evaluations", OrderedJson::array()},
                       {"command", command_without_point(plan)}};
  for (const LayerGrid& layer : merged.results.layers) {
    document["layers"].push_back(layer_columns(layer));
  }
  OrderedJson total = layer_columns(merged.results.total);
  total["layer"] = nullptr;
  total["kind"] = nullptr;
  document["layers"].push_back(std::move(total));
  for (const Evaluation& evaluation : merged.results.evaluations) {
    document["evaluations"].push_back({{"alpha", settings.alphas[evaluation.alpha]},
                                       {"gamma_cap", settings.gammas[evaluation.gamma]},
                                       {"metrics", evaluation.metrics}});
  }
  return document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace contourfuse
