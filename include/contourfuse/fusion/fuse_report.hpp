// What a fuse did: document, totals, advice.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// The results of a run, with the plan they belong to (results.matrices[i] ↔ plan.matrices[i]).
struct FuseReport {
  FuseResults results{};
  bool dry_run = false;
  std::size_t kept_shards = 0;  ///< of an unfinished run, not done again
  double seconds = 0;
};

/// The document of `fuse --json` (docs/cli.md); `report` of a dry run is FuseReport{.dry_run =
/// true}.
[[nodiscard]] nlohmann::ordered_json fuse_document(const FusePlan& plan, const FuseReport& report);

/// Counts and sums of many matrices added up.
struct FuseTotals {
  std::uint64_t matrices = 0;
  std::uint64_t elements = 0;
  std::uint64_t covered = 0;
  RecordCounts counts{};
  RecordSums sums{};
};
/// Over the matrices of one role and layer kind (for summary tables), or over all if null.
[[nodiscard]] FuseTotals fuse_totals(const FusePlan& plan, const FuseReport& report,
                                     const Role* role = nullptr, const LayerKind* kind = nullptr);

/// What a person should know after the run, each a full sentence: most edits lost to rounding and
/// what to do; γ above every |Δ_gate|; partial coverage; experts left as they are.
[[nodiscard]] std::vector<std::string> fuse_advice(const FusePlan& plan, const FuseReport& report);

}  // namespace contourfuse
