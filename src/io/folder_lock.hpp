// Who holds a folder: a lock that ends with the process.
#pragma once

#include <filesystem>
#include <optional>

namespace contourfuse {

/// An exclusive flock of a folder. A filesystem that cannot lock counts as one where nobody holds
/// anything.
class FolderLock {
 public:
  /// Nothing if another process holds it, or it is not there any more.
  static std::optional<FolderLock> try_take(const std::filesystem::path& folder);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace contourfuse
