// What `fuse` shows to a person.
#pragma once

#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/fusion/in_place.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// The dry run: every matrix with its coverage, then what does not match.
void print_fuse_plan(const FusePlan& plan);
/// The same for a fuse in place.
void print_in_place_plan(const FusePlan& plan, const InPlace& how);

/// The summary by layer kind and role, then advice.
void print_fuse_report(const FusePlan& plan, const FuseReport& report);
/// The same for a fuse in place.
void print_in_place_report(const FusePlan& plan, const FuseReport& report, const InPlace& how);

}  // namespace contourfuse
