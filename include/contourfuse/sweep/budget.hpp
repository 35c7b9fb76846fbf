// Which points stay inside a budget, and which of them go furthest.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "contourfuse/sweep/results.hpp"
#include "contourfuse/sweep/settings.hpp"

namespace contourfuse {

/// A point by its place on both axes, with the budget's metric there.
struct BudgetPoint {
  std::size_t alpha = 0;  ///< index into the plan's alphas
  std::size_t gamma = 0;
  double value = 0;
};

struct BudgetReport {
  Budget budget{};
  /// Points inside the budget that no other exceeds in both axes (|α| and γ), by falling γ.
  std::vector<BudgetPoint> front{};
  /// Of these the one with the largest |α|·γ; among equals the larger γ, then the larger |α|.
  std::optional<BudgetPoint> best{};
};

/// The metric over all layers: error_after_norm, output error, or pooled drift √(gate² + down²).
/// Null where it is not known.
[[nodiscard]] std::optional<double> budget_value(const SweepResults& results, BudgetMetric metric,
                                                 std::size_t alpha, std::size_t gamma,
                                                 std::size_t alpha_count);

/// The plan's budget, or else 0.05 of error_after_norm, or of drift where there is no such number.
/// Throws Error{kUsage, "budget-not-measured"} for a metric that the sweep does not measure.
[[nodiscard]] BudgetReport find_budget(const SweepPlan& plan, const SweepResults& results);

}  // namespace contourfuse
