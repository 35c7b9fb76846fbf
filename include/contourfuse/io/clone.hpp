// Bytes that the filesystem takes over from another file without moving them.
#pragma once

#include <cstdint>
#include <filesystem>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// How bytes get into a file that is to equal another one in most places.
enum class CopyMethod : std::uint8_t {
  kWrite,      ///< by writing them
  kCloned,     ///< they are there: the file is a clone (FICLONE)
  kCopyRange,  ///< by copy_range(), which a server does without sending them
};

/// Makes the empty `target` a clone of `source` where the filesystem can; else says how to copy.
[[nodiscard]] CopyMethod clone_or_choose(const File& source, File& target);

/// Whether a file in `folder` can be a clone of `source`. Tried with a file that never has a name.
[[nodiscard]] bool can_clone(const File& source, const std::filesystem::path& folder);

/// Copies [offset, offset + bytes) to the same place in `target` by copy_file_range. False if that
/// is refused; what was copied until then does no harm.
[[nodiscard]] bool copy_range(const File& source, File& target, std::uint64_t offset,
                              std::uint64_t bytes);

}  // namespace contourfuse
