// The Pareto front of a budget.
#include "contourfuse/sweep/budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

std::optional<double> pooled_drift(const SweepResults& results, std::size_t alpha,
                                   std::size_t gamma) {
  double change2 = 0;
  bool known = false;
  const auto add = [&](const std::optional<MatrixGrid>& matrix, std::size_t point) {
    if (!matrix) return;
    const std::optional<double> part = drift(*matrix, matrix->points[point]);
    if (!part) return;
    change2 += *part * *part;
    known = true;
  };
  add(results.total.gate, gamma);
  add(results.total.down, alpha);
  if (!known) return std::nullopt;
  return std::sqrt(change2);
}

/// How far a point goes.
struct Reach {
  double alpha = 0;
  double gamma = 0;
};

class Front {
 public:
  Front(const SweepPlan& plan, std::vector<BudgetPoint> inside)
      : settings_(plan.settings), points_(std::move(inside)) {
    std::stable_sort(
        points_.begin(), points_.end(), [this](const BudgetPoint& a, const BudgetPoint& b) {
          const Reach first = reach(a);
          const Reach second = reach(b);
          return std::tie(first.gamma, first.alpha) > std::tie(second.gamma, second.alpha);
        });
    // By falling γ a point stands behind every one that could exceed it.
    std::optional<double> furthest;
    std::erase_if(points_, [&](const BudgetPoint& point) {
      const double alpha = reach(point).alpha;
      if (furthest && alpha <= *furthest) return true;
      furthest = alpha;
      return false;
    });
  }

  [[nodiscard]] const std::vector<BudgetPoint>& points() const { return points_; }
  [[nodiscard]] std::optional<BudgetPoint> best() const {
    const auto found = std::max_element(
        points_.begin(), points_.end(),
        [this](const BudgetPoint& a, const BudgetPoint& b) { return extent(a) < extent(b); });
    if (found == points_.end()) return std::nullopt;
    return *found;
  }

 private:
  [[nodiscard]] Reach reach(const BudgetPoint& point) const {
    return {std::abs(settings_.alphas[point.alpha]), settings_.gammas[point.gamma]};
  }
  [[nodiscard]] std::tuple<double, double, double> extent(const BudgetPoint& point) const {
    const Reach far = reach(point);
    return {far.alpha * far.gamma, far.gamma, far.alpha};
  }

  const SweepSettings& settings_;
  std::vector<BudgetPoint> points_;
};

Budget chosen_budget(const SweepPlan& plan, const SweepResults& results) {
  Budget budget;
  const std::size_t alphas = plan.settings.alphas.size();
  const auto measured = [&](BudgetMetric metric) {
    return budget_value(results, metric, 0, 0, alphas).has_value();
  };
  if (!plan.settings.budget) {
    if (!measured(budget.metric)) budget.metric = BudgetMetric::kDrift;
    return budget;
  }
  budget = *plan.settings.budget;
  if (!measured(budget.metric)) {
    throw Error(
        Failure::kUsage, "budget-not-measured",
        fmt::format("--budget {}: this sweep does not measure it", to_string(budget.metric)), {},
        "it needs probes, and error_after_norm a norm after the MLP; drift needs none");
  }
  return budget;
}

}  // namespace

std::optional<double> budget_value(const SweepResults& results, BudgetMetric metric,
                                   std::size_t alpha, std::size_t gamma, std::size_t alpha_count) {
  if (metric == BudgetMetric::kDrift) return pooled_drift(results, alpha, gamma);
  if (!results.total.output) return std::nullopt;
  const OutputGrid& output = *results.total.output;
  const OutputPoint& point = output.points[gamma * alpha_count + alpha];
  return metric == BudgetMetric::kOutputError ? output_error(output, point)
                                              : error_after_norm(output, point);
}

BudgetReport find_budget(const SweepPlan& plan, const SweepResults& results) {
  BudgetReport report;
  report.budget = chosen_budget(plan, results);
  const std::size_t alphas = plan.settings.alphas.size();
  std::vector<BudgetPoint> inside;
  for (std::size_t g = 0; g < plan.settings.gammas.size(); ++g) {
    for (std::size_t a = 0; a < alphas; ++a) {
      const auto value = budget_value(results, report.budget.metric, a, g, alphas);
      if (value && *value <= report.budget.limit) inside.push_back({a, g, *value});
    }
  }
  const Front front(plan, std::move(inside));
  report.front = front.points();
  report.best = front.best();
  return report;
}

}  // namespace contourfuse
