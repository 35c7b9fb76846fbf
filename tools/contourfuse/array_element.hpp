// Which element of a Slurm job array this process is.
#pragma once

#include <cstddef>

namespace contourfuse {

struct ArrayElement {
  std::size_t index = 0;  ///< (ID − MIN) / STEP
  std::size_t count = 1;
};

/// From SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _STEP. Throws Error{kUsage, "no-job-array"} outside
/// of a job array.
[[nodiscard]] ArrayElement array_element_from_environment();

}  // namespace contourfuse
