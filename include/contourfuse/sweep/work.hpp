// Doing tasks of a plan.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "contourfuse/sweep/grid.hpp"
#include "contourfuse/sweep/plan.hpp"

namespace contourfuse {

/// What measures. Not owned.
struct SweepDevices {
  SweepBackend& sweep;
  Backend& fuse;  ///< for exact numbers
};

/// The grids of some of the plan's layers.
[[nodiscard]] std::vector<LayerGrid> measure_layers(const SweepPlan& plan,
                                                    std::span<const std::uint64_t> layers,
                                                    const SweepDevices& devices,
                                                    const Execution& execution);

struct WorkReport {
  std::vector<std::size_t> done{};
  std::vector<std::size_t> found_done{};  ///< their parts were there already
};

/// Measures the tasks that have no part yet and publishes their parts, one or a few small ones at
/// a time. A cancelled call leaves only whole parts. Throws Error{kBadInput, "input-changed"} for
/// inputs that are not the planned ones, before or after they are read.
WorkReport run_tasks(const SweepPlan& plan, const std::filesystem::path& run,
                     std::span<const std::size_t> tasks, const SweepDevices& devices,
                     const Execution& execution);

/// Which tasks an element of a job array takes: element `index` of `count` takes index, index +
/// count, … of `tasks`; perhaps none.
[[nodiscard]] std::vector<std::size_t> tasks_of_element(std::size_t tasks, std::size_t index,
                                                        std::size_t count);

}  // namespace contourfuse
