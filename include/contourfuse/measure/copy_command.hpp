// The copy that anyone would make: `cp -r`, then `sync`.
#pragma once

#include <filesystem>

namespace contourfuse {

/// Runs cp, and with `durable` has the system write everything out. Throws
/// Error{kFailed, "command-failed"}.
void copy_by_command(const std::filesystem::path& from, const std::filesystem::path& to,
                     bool durable);

}  // namespace contourfuse
