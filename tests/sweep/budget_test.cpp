// The front of a budget against its definition.
#include "contourfuse/sweep/budget.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <utility>

#include "support/error_of.hpp"
#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

using test::error_of;
using Place = std::pair<std::size_t, std::size_t>;

class BudgetFront : public test::Sweeping {
 protected:
  /// Totals whose gate drift is `gate[g]` and down drift `down[a]`.
  static SweepResults drifting(const std::vector<double>& gate, const std::vector<double>& down) {
    SweepResults results;
    results.total.gate = MatrixGrid{.weight2 = 1};
    for (const double d : gate) results.total.gate->points.push_back({.change2 = d * d});
    results.total.down = MatrixGrid{.weight2 = 1};
    for (const double d : down) results.total.down->points.push_back({.change2 = d * d});
    return results;
  }
};

TEST_F(BudgetFront, IsWhatNoOtherPointInsideExceedsInBothAxes) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> number(0, 1);
  for (int round = 0; round < 50; ++round) {
    settings.alphas = {0.5, -3, 1, 2, 0};
    settings.gammas = {4, 1, 0, 2};
    settings.budget = Budget{BudgetMetric::kDrift, 0.7};
    std::vector<double> gate(4);
    std::vector<double> down(5);
    for (double& d : gate) d = number(random);
    for (double& d : down) d = number(random);
    const SweepResults results = drifting(gate, down);
    const BudgetReport report = find_budget(plan_sweep(settings), results);

    const auto inside = [&](std::size_t a, std::size_t g) {
      return std::hypot(gate[g], down[a]) <= 0.7;
    };
    const auto reach = [&](std::size_t a) { return std::abs(settings.alphas[a]); };
    std::set<Place> expected;
    for (std::size_t a = 0; a < 5; ++a) {
      for (std::size_t g = 0; g < 4; ++g) {
        bool exceeded = false;
        for (std::size_t b = 0; b < 5; ++b) {
          for (std::size_t h = 0; h < 4; ++h) {
            exceeded =
                exceeded || (inside(b, h) && Place(b, h) != Place(a, g) && reach(b) >= reach(a) &&
                             settings.gammas[h] >= settings.gammas[g]);
          }
        }
        if (inside(a, g) && !exceeded) expected.emplace(a, g);
      }
    }
    std::set<Place> found;
    for (const BudgetPoint& point : report.front) {
      found.emplace(point.alpha, point.gamma);
      EXPECT_DOUBLE_EQ(point.value, std::hypot(gate[point.gamma], down[point.alpha]));
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(report.best.has_value(), !expected.empty());
    for (const BudgetPoint& point : report.front) {
      EXPECT_GE(reach(report.best->alpha) * settings.gammas[report.best->gamma],
                reach(point.alpha) * settings.gammas[point.gamma]);
    }
  }
}

TEST_F(BudgetFront, TakesDriftWhereNothingElseIsMeasured) {
  const BudgetReport report = find_budget(plan_sweep(settings), drifting({0, 0}, {0, 0.04, 9}));
  EXPECT_EQ(report.budget.metric, BudgetMetric::kDrift);
  ASSERT_TRUE(report.best.has_value());
  EXPECT_EQ(report.best->alpha, 1U);
  EXPECT_EQ(report.best->gamma, 1U);
}

TEST_F(BudgetFront, HoldsAPointAtTheLimit) {
  settings.alphas = {1};
  settings.gammas = {1};
  settings.budget = Budget{BudgetMetric::kDrift, 0.5};
  EXPECT_EQ(find_budget(plan_sweep(settings), drifting({0}, {0.5})).front.size(), 1U);
  settings.budget = Budget{BudgetMetric::kDrift, 0.499};
  EXPECT_TRUE(find_budget(plan_sweep(settings), drifting({0}, {0.5})).front.empty());
}

TEST_F(BudgetFront, RefusesAMetricThatIsNotMeasured) {
  settings.budget = Budget{BudgetMetric::kOutputError, 1};
  settings.probe_tokens = 1;
  const Error error = error_of([&] {
    static_cast<void>(find_budget(plan_sweep(settings), drifting({0, 0}, {0, 0, 0})));
  });
  EXPECT_EQ(error.kind(), "budget-not-measured");
  EXPECT_EQ(error.failure(), Failure::kUsage);
}

TEST_F(BudgetFront, MeasuresOutputsByPoint) {
  SweepResults results = drifting({0, 0}, {0, 0, 0});
  results.total.output = OutputGrid{.values = 1, .base2 = 1, .norm_base2 = 4};
  for (int i = 0; i < 6; ++i) {
    results.total.output->points.push_back({.change2 = i * i * 1.0, .norm_change2 = i * i * 1.0});
  }
  EXPECT_EQ(budget_value(results, BudgetMetric::kOutputError, 2, 1, 3), 5);
  EXPECT_EQ(budget_value(results, BudgetMetric::kErrorAfterNorm, 0, 1, 3), 1.5);
  EXPECT_EQ(find_budget(plan_sweep(settings), results).budget.metric,
            BudgetMetric::kErrorAfterNorm);
}

}  // namespace
}  // namespace contourfuse
