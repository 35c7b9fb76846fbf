// The flags of `fuse` and `applyweights`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "command.hpp"
#include "contourfuse/fusion/settings.hpp"

namespace contourfuse {

struct FuseRequest {
  FuseSettings settings{};
  bool dry_run = false;
};

/// Adds every flag of a fuse to `command`; choosing it runs the fuse.
void add_fuse_flags(CLI::App& command, Session& session);

/// The settings as a command line that gives the same output: what the manifest records. Equal
/// settings give equal words, however they were typed; where and how fast it ran is left out.
[[nodiscard]] std::vector<std::string> equivalent_command(const FuseSettings& settings);

}  // namespace contourfuse
