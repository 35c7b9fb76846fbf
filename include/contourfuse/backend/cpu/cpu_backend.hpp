// The CPU backend.
#pragma once

#include <memory>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend();

}  // namespace contourfuse
