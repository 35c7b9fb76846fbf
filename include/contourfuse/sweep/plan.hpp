// The plan of a sweep: plain data in a run's folder, from which any box does any task.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/sweep/settings.hpp"

namespace contourfuse {

inline constexpr const char* kSweepPlanName = "plan.json";

/// How a file looked when the plan was made. The device number is not compared: it differs from
/// node to node for one shared file.
struct PlannedFile {
  std::string path{};
  std::uint64_t bytes = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;
};

struct SweepPlan {
  SweepSettings settings{};
  FusePlan fuse{};  ///< of the same base, delta and layers, without output
  std::vector<std::vector<std::uint64_t>> tasks{};  ///< layers of each, ascending
  std::string base_digest{};                        ///< checkpoint_digest
  /// XXH3-128 of every swept matrix ("base NAME"), its stored delta ("delta NAME"), a recipe and a
  /// probe file; empty where reading them once more is too dear. Then `files` stands for them.
  std::map<std::string, std::string> contents{};
  std::vector<PlannedFile> files{};
};

/// Opens both sides and cuts the layers into tasks. Throws what plan_fuse throws.
[[nodiscard]] SweepPlan plan_sweep(const SweepSettings& settings);
/// The text of plan.json: the same for equal plans.
[[nodiscard]] std::string plan_text(const SweepPlan& plan);
/// XXH3-128 of that text: what a part says it belongs to.
[[nodiscard]] std::string plan_digest(const SweepPlan& plan);

/// Makes the run's folder with its plan, or finds the same plan there. Throws Error{kBadInput,
/// "run-differs"} if the folder holds another plan or something else.
void store_plan(const SweepPlan& plan, const std::filesystem::path& run);
/// Reads a run's plan and opens base and delta. Throws Error{kBadInput, "json-…"} for a text that
/// is no plan, and "input-changed" for files that are no longer the planned ones.
[[nodiscard]] SweepPlan load_plan(const std::filesystem::path& run);
/// Throws Error{kBadInput, "input-changed"} unless what the layers are measured from is as planned.
void check_contents(const SweepPlan& plan, const std::vector<std::uint64_t>& layers);

}  // namespace contourfuse
