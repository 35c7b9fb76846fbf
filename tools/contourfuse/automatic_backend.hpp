// The backend of --device auto where there is a GPU.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

/// Runs on `preferred`, or on the CPU if `preferred` finds no way to begin: if it fails for a
/// reason of its device before anything of the job was done. `tell` is given that reason.
[[nodiscard]] std::unique_ptr<Backend> make_automatic_backend(
    std::unique_ptr<Backend> preferred, std::function<void(const std::string& why)> tell);

}  // namespace contourfuse
