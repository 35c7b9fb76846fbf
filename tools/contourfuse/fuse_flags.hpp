// The flags of `fuse` and `applyweights`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "command.hpp"
#include "contourfuse/fusion/in_place.hpp"
#include "contourfuse/fusion/settings.hpp"

namespace contourfuse {

struct FuseRequest {
  FuseSettings settings{};
  bool dry_run = false;
  bool in_place = false;
  InPlace how{};  ///< of a fuse in place
};

/// Adds every flag of a fuse to `command`; choosing it runs the fuse.
void add_fuse_flags(CLI::App& command, Session& session);

}  // namespace contourfuse
