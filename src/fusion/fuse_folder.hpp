// The folder that a fuse writes to: a new one, or what an unfinished run left.
#pragma once

#include <memory>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/journal.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/publish.hpp"

namespace contourfuse {

struct FuseFolder {
  PartialFolder partial;
  std::unique_ptr<Journal> journal;
  std::vector<FinishedShard> kept{};  ///< whole already; the folder holds nothing else
};

/// With settings.resume goes on from what fits the plan, each shard's hash checked, and removes
/// folders that nobody can go on from. Throws Error{kBadInput, "resume-differs"} if there is only
/// what another plan left, and what PartialFolder::adopt and, before the first byte, require_room
/// throw.
[[nodiscard]] FuseFolder open_fuse_folder(const FusePlan& plan, const Execution& execution);

}  // namespace contourfuse
