// plan.json: text and back.
#pragma once

#include <string>
#include <string_view>

#include "contourfuse/sweep/plan.hpp"

namespace contourfuse {

/// A plan as its text says it, without `fuse`. Throws Error{kBadInput, "json-…"}.
[[nodiscard]] SweepPlan parse_plan(std::string_view text, const std::string& file);

}  // namespace contourfuse
