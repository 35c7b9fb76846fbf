// The job that a backend runs for a plan, with the files and deltas it points to.
#pragma once

#include <memory>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/file.hpp"

namespace contourfuse {

struct OwnedJob {
  FuseJob job{};
  std::vector<File> sources{};  ///< of the base, by shard
  std::vector<std::unique_ptr<DeltaReader>> deltas{};
};

/// Shards and matrices as the plan has them; no shard has a target yet.
[[nodiscard]] OwnedJob make_job(const FusePlan& plan);

inline constexpr const char* kBaseChanged = "base-changed";
/// Refuses (Error{kFailed, kBaseChanged}) a base that changed since its headers were read.
void check_unchanged(const FusePlan& plan, const std::vector<File>& sources);

}  // namespace contourfuse
