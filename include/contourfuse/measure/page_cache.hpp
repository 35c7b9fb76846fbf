// The page cache, as far as a bench must know it.
#pragma once

#include <filesystem>

namespace contourfuse {

/// Writes the folder's files out and asks the system to forget their pages: the next read comes
/// from the storage (of a virtual machine, perhaps from its host's memory).
void drop_from_cache(const std::filesystem::path& folder);

}  // namespace contourfuse
