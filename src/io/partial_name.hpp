// The names of what is being written: `NAME.partial-<id>` beside NAME.
#pragma once

#include <filesystem>
#include <vector>

namespace contourfuse {

/// A name that nobody uses.
[[nodiscard]] std::filesystem::path new_partial_name(const std::filesystem::path& target);

/// What stands beside `target` under such a name, of one file type. Nothing if the folder cannot be
/// listed.
[[nodiscard]] std::vector<std::filesystem::path> partials_of(const std::filesystem::path& target,
                                                             std::filesystem::file_type type);

}  // namespace contourfuse
