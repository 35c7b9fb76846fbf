// plan.json: text and back.
#pragma once

#include <filesystem>
#include <string>

#include "contourfuse/sweep/plan.hpp"

namespace contourfuse {

/// A plan as its text says it, without `fuse`. Throws Error{kBadInput, "json-…"}.
[[nodiscard]] SweepPlan parse_plan(const std::filesystem::path& path);

}  // namespace contourfuse
