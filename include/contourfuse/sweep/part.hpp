// Parts: what a finished task leaves in a run's folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/sweep/grid.hpp"
#include "contourfuse/sweep/plan.hpp"

namespace contourfuse {

/// RUN/parts/<task>.json
[[nodiscard]] std::filesystem::path part_path(const std::filesystem::path& run, std::size_t task);

/// The text of a part: the same for equal numbers, and closed by a hash of itself.
[[nodiscard]] std::string part_text(const SweepPlan& plan, std::size_t task,
                                    const std::vector<LayerGrid>& layers);

/// The layers of a part by its text, `file` in messages. Throws Error{kBadInput, "part-damaged"}
/// for one that is not as it was written, or of another plan or task, and "json-…" for one that
/// never was a part.
[[nodiscard]] std::vector<LayerGrid> parse_part(std::string_view text, const std::string& file,
                                                const SweepPlan& plan, std::size_t task);

/// The layers of a task's part, or nothing if there is none yet. Throws what parse_part throws.
[[nodiscard]] std::optional<std::vector<LayerGrid>> read_part(const SweepPlan& plan,
                                                              const std::filesystem::path& run,
                                                              std::size_t task);

/// Publishes the parts of some tasks. One that is there already must have the same bytes (a task
/// may run twice): else Error{kFailed, "part-differs"} names it and the file that ours is kept in.
void publish_parts(const std::filesystem::path& run,
                   const std::map<std::size_t, std::string>& texts);

}  // namespace contourfuse
