// What may be read and copied of a checkpoint's folder.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace contourfuse {

/// True if the folder has an entry of that name, a broken link included.
[[nodiscard]] bool has_entry(const std::filesystem::path& folder, const std::string& name);

/// Relative paths, sorted, of every file of the folder and the folders in it that is not named in
/// `shards`, no dot-file, not in a dot-folder and not the manifest of an earlier run. Refuses links
/// as confined() (confined.hpp) does, links to folders (Error "link-to-folder"), and what is no
/// file
/// ("file-not-regular").
[[nodiscard]] std::vector<std::filesystem::path> list_side_files(
    const std::filesystem::path& folder, const std::set<std::string, std::less<>>& shards);

}  // namespace contourfuse
