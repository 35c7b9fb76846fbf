// Points of a sweep as checkpoints: kept, or shown to a user's command and removed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/settings.hpp"
#include "contourfuse/sweep/merge.hpp"
#include "contourfuse/sweep/plan.hpp"
#include "contourfuse/sweep/results.hpp"

namespace contourfuse {

/// The fuse that makes a point, without output.
[[nodiscard]] FuseSettings point_settings(const SweepPlan& plan, double alpha, double gamma);

/// Throws Error{kUsage, "bad-points"} for a selection that select_points does not know.
void check_selection(std::string_view selection);

/// Which points are evaluated: "all", "pareto" (the front), "best", or a number N: the front's
/// first, then what else is inside the budget, those that go furthest (|α|·γ) first. Throws
/// what check_selection throws.
[[nodiscard]] std::vector<BudgetPoint> select_points(const SweepPlan& plan,
                                                     const MergedSweep& merged,
                                                     std::string_view selection);

/// For each point: fuses into a scratch folder inside `run`, runs `command` by the shell with
/// {model} replaced by that folder, takes one JSON object of numbers from its last line of output,
/// and removes the folder. A point that this command was run for before is left out. Throws
/// Error{kFailed, "evaluate-…"} if the command fails or says something else.
void evaluate_points(const SweepPlan& plan, const std::filesystem::path& run,
                     const std::vector<BudgetPoint>& points, const std::string& command,
                     Backend& fuser, const Execution& execution);

/// What evaluate_points left in the run, by point.
[[nodiscard]] std::vector<Evaluation> read_evaluations(const SweepPlan& plan,
                                                       const std::filesystem::path& run);

}  // namespace contourfuse
