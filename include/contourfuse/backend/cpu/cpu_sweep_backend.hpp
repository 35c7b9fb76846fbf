// The CPU backend of a sweep.
#pragma once

#include <memory>

#include "contourfuse/sweep/backend.hpp"

namespace contourfuse {

[[nodiscard]] std::unique_ptr<SweepBackend> make_cpu_sweep_backend();

}  // namespace contourfuse
