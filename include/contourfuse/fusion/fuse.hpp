// Running a plan: shards through a backend, then manifest, then publish.
#pragma once

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/fuse_report.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// For dry runs: refuses (Error{kBadInput}) what refuse_unusable_output refuses, and an output for
/// which there is no room ("io-no-space", "io-quota"). With settings.resume what unfinished runs
/// left counts as there. Changes nothing; an empty output is not looked at.
void refuse_unstartable(const FusePlan& plan);

/// Writes the fused checkpoint to plan.settings.output, all or nothing.
FuseReport run_fuse(const FusePlan& plan, Backend& backend, const Execution& execution);

/// Runs the plan without writing: for `verify --recompute`.
FuseResults recompute(const FusePlan& plan, Backend& backend, const Execution& execution);

}  // namespace contourfuse
