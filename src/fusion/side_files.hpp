// What a fused checkpoint has beside its shards and its manifest.
#pragma once

#include <filesystem>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

/// Writes the base's model card, marked as a derivative's, to `to`.
[[nodiscard]] ListedFile write_card(const FusePlan& plan, const std::filesystem::path& to,
                                    bool durable);

/// Copies the base's side files into `folder`, the model card as the plan's settings say; by name.
[[nodiscard]] std::vector<ListedFile> write_side_files(const FusePlan& plan,
                                                       const std::filesystem::path& folder,
                                                       bool durable, const Execution& execution);

}  // namespace contourfuse
