// Folders, with errors that say which.
#pragma once

#include <filesystem>
#include <vector>

namespace contourfuse {

/// Makes a folder, and those above it that are missing; if `durable`, the names of those that were
/// made are.
void make_folders(const std::filesystem::path& folder, bool durable);

/// The paths of a folder's entries, in no order.
[[nodiscard]] std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

/// Removes a file, or a folder with all that is in it.
void remove_tree(const std::filesystem::path& path);

}  // namespace contourfuse
