// Tables of a sweep.
#pragma once

#include <filesystem>

#include "contourfuse/sweep/merge.hpp"

namespace contourfuse {

void print_sweep_plan(const SweepPlan& plan, const std::filesystem::path& run);
void print_sweep(const SweepPlan& plan, const std::filesystem::path& run,
                 const MergedSweep& merged);

}  // namespace contourfuse
