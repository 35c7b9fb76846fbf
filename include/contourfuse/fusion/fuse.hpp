// Running a plan: shards through a backend, then manifest, then publish.
#pragma once

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/fuse_report.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// Writes the fused checkpoint to plan.settings.output, all or nothing.
FuseReport run_fuse(const FusePlan& plan, Backend& backend, const Execution& execution);

/// Runs the plan without writing: for `verify --recompute`.
FuseResults recompute(const FusePlan& plan, Backend& backend, const Execution& execution);

}  // namespace contourfuse
