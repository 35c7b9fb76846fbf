// The flags of `generate` and `weights`.
#pragma once

#include <CLI/CLI.hpp>

#include "command.hpp"

namespace contourfuse {

/// Adds every flag of a generation to `command`; choosing it runs the generation.
void add_generate_flags(CLI::App& command, Session& session);

}  // namespace contourfuse
