// flock on a folder's descriptor.
#include "folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io_error.hpp"

namespace contourfuse {

std::optional<FolderLock> FolderLock::try_take(const std::filesystem::path& folder) {
  FolderLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (lock.descriptor_ < 0) {
    if (errno == ENOENT) return std::nullopt;
    throw_path_error(errno, "open the folder", folder);
  }
  int result = 0;
  do {
    result = ::flock(lock.descriptor_, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) return std::nullopt;
  // Whoever held it may have removed it, or given it its final name.
  struct stat held {};
  struct stat there {};
  if (::fstat(lock.descriptor_, &held) != 0 || ::lstat(folder.c_str(), &there) != 0 ||
      held.st_dev != there.st_dev || held.st_ino != there.st_ino) {
    return std::nullopt;
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace contourfuse
