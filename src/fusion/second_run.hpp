// Verifying by a second run: every edited matrix and its record again from base and delta.
#pragma once

#include <nlohmann/json.hpp>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/fusion/verify.hpp"
#include "fusion/manifest_facts.hpp"

namespace contourfuse {

/// Computes the edits of `plan`, writing nothing, and compares hashes and records with the
/// manifest's. Adds to `report` what differs, what was compared and how much was read.
/// Throws what recompute() does.
void compare_with_second_run(const FusePlan& plan, const ManifestFacts& facts,
                             const nlohmann::json& manifest, Backend& backend,
                             const Execution& execution, VerifyReport& report);

}  // namespace contourfuse
