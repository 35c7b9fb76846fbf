// From parts to results.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "contourfuse/sweep/budget.hpp"
#include "contourfuse/sweep/plan.hpp"
#include "contourfuse/sweep/results.hpp"

namespace contourfuse {

struct MergedSweep {
  SweepResults results{};
  BudgetReport budget{};
};

/// Reads every part, and the evaluations that there are. Throws Error{kIncomplete,
/// "parts-missing"} naming tasks that have none yet, Error{kBadInput, "part-damaged"}.
[[nodiscard]] MergedSweep merge_parts(const SweepPlan& plan, const std::filesystem::path& run);
/// Writes RUN/results.jsonl and RUN/results.csv, each whole or not at all. The same plan and parts
/// give the same bytes.
void write_results(const SweepPlan& plan, const std::filesystem::path& run,
                   const MergedSweep& merged);

/// {"metric","limit","front":[{"alpha","gamma_cap","value"}],"best"}.
[[nodiscard]] nlohmann::ordered_json budget_document(const SweepPlan& plan,
                                                     const BudgetReport& report);
/// The document of `sweep run --json` (docs/sweep.md), without seconds.
[[nodiscard]] nlohmann::ordered_json sweep_document(const SweepPlan& plan,
                                                    const MergedSweep& merged);
/// All numbers of the sweep by axis, for the report page.
[[nodiscard]] std::string page_document(const SweepPlan& plan, const MergedSweep& merged);

}  // namespace contourfuse
