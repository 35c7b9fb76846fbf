// What `fuse` shows to a person.
#pragma once

#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// The dry run: every matrix with its coverage, then what does not match.
void print_fuse_plan(const FusePlan& plan);

/// The summary by layer kind and role, then advice.
void print_fuse_report(const FusePlan& plan, const FuseReport& report);

}  // namespace contourfuse
