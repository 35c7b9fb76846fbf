// Whether there is room for what a fuse writes.
#pragma once

#include <cstdint>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/journal.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// Throws what require_space throws if there is no room for the plan's output, of which the shards
/// in `kept` and `held` bytes more are on disk already. Where the filesystem clones the base's
/// shards, what is edited is all they need.
void require_room(const FusePlan& plan, const std::vector<FinishedShard>& kept, std::uint64_t held,
                  Failure failure);

}  // namespace contourfuse
