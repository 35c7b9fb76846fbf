// Files of a folder that stay in it.
#pragma once

#include <filesystem>

namespace contourfuse {

/// `folder / relative`. Refuses (Error{kBadInput, "link-leaves-folder" | "file-missing"}) links on
/// the way that lead out of the folder or nowhere, but for those of a hub cache to its blobs.
[[nodiscard]] std::filesystem::path confined(const std::filesystem::path& folder,
                                             const std::filesystem::path& relative);

}  // namespace contourfuse
