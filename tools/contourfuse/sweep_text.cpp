// What a person sees of a sweep: the points that matter, not the grid.
#include "sweep_text.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "console.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

std::string number(const std::optional<double>& value) {
  return value ? format_number(*value) : kNoValue;
}

std::string share(double part, double whole) {
  return whole == 0 ? kNoValue : format_percent(part / whole);
}

void print_heading(const SweepPlan& plan) {
  const SweepSettings& settings = plan.settings;
  print_text(fmt::format("model    {} ({})\n", visible(settings.model),
                         visible(plan.fuse.base.config.family)));
  print_text(fmt::format("delta    {}\n", visible(settings.weights.string())));
  print_text(fmt::format("grid     {} alphas × {} gammas = {} points, {} layers, norm {}, {}{}\n",
                         format_count(settings.alphas.size()), format_count(settings.gammas.size()),
                         format_count(settings.alphas.size() * settings.gammas.size()),
                         format_count(settings.layers.size()), to_string(settings.variance_norm),
                         to_string(settings.rounding), settings.exact ? ", exact" : ""));
}

void add_point(Table& table, const SweepPlan& plan, const MergedSweep& merged,
               const BudgetPoint& point) {
  const LayerGrid& total = merged.results.total;
  const std::size_t alphas = plan.settings.alphas.size();
  const auto value = [&](BudgetMetric metric) {
    return number(budget_value(merged.results, metric, point.alpha, point.gamma, alphas));
  };
  double lost = 0;
  double moved = 0;
  double clamped = 0;
  double covered = 0;
  if (total.gate) {
    const GridPoint& gate = total.gate->points[point.gamma];
    lost += gate.lost;
    moved += static_cast<double>(gate.moved);
    clamped = static_cast<double>(gate.clamped);
    covered = static_cast<double>(total.gate->covered);
  }
  if (total.down) {
    const GridPoint& down = total.down->points[point.alpha];
    lost += down.lost;
    moved += static_cast<double>(down.moved);
  }
  table.add_row({fmt::format("{}", plan.settings.alphas[point.alpha]),
                 fmt::format("{}", plan.settings.gammas[point.gamma]),
                 value(BudgetMetric::kErrorAfterNorm), value(BudgetMetric::kOutputError),
                 value(BudgetMetric::kDrift), share(lost, moved), share(clamped, covered)});
}

}  // namespace

void print_sweep_plan(const SweepPlan& plan, const std::filesystem::path& run) {
  print_heading(plan);
  print_text(
      fmt::format("tasks    {}\n\nnext: contourfuse sweep work {} --task 0 … {}, then "
                  "contourfuse sweep merge {}\n",
                  format_count(plan.tasks.size()), visible(run.string()), plan.tasks.size() - 1,
                  visible(run.string())));
}

void print_sweep(const SweepPlan& plan, const std::filesystem::path& run,
                 const MergedSweep& merged) {
  print_heading(plan);
  if (const auto limit = gamma_saturates_at(merged.results)) {
    print_text(fmt::format("gamma    clamps nothing from {} on, the largest |delta|\n",
                           format_number(*limit)));
  }
  const BudgetReport& budget = merged.budget;
  print_text(fmt::format("\nThe furthest points with {} of at most {}:\n",
                         to_string(budget.budget.metric), budget.budget.limit));
  if (budget.front.empty()) {
    print_text("none: every point of the grid exceeds the budget\n");
  } else {
    Table table({{"alpha"},
                 {"gamma cap"},
                 {"error after norm"},
                 {"output error"},
                 {"drift"},
                 {"lost"},
                 {"clamped"}});
    for (const BudgetPoint& point : budget.front) add_point(table, plan, merged, point);
    print_text(table.text());
  }
  if (budget.best) {
    print_text(fmt::format("\nbest: alpha {}, gamma cap {}\n",
                           plan.settings.alphas[budget.best->alpha],
                           plan.settings.gammas[budget.best->gamma]));
  }
  print_text(
      fmt::format("\nresults  {0}/results.jsonl, {0}/results.csv\nreport   {0}/report.html\n",
                  visible(run.string())));
}

}  // namespace contourfuse
