// The grid of one matrix from stored bits: the fuser's own code at every value of the axis.
#pragma once

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/sweep/backend.hpp"

namespace contourfuse {

/// As SweepBackend::measure, with sums of what is stored. `numbers` gives rounding and rule; α and
/// γ come from the job's values. Reads the matrix once a value.
[[nodiscard]] MatrixGrid measure_exactly(const GridJob& job, const ScfNumbers& numbers,
                                         Backend& fuser, const Execution& execution);

}  // namespace contourfuse
