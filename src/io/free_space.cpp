// statvfs and quotas.
#include "contourfuse/io/free_space.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "io_error.hpp"
#include "quota.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

/// Of the common filesystems.
constexpr std::uint64_t kBlock = 4096;

struct FreeSpace {
  std::uint64_t bytes = 0;
  bool is_quota = false;  // a quota of this user or group leaves less than the filesystem has
};

/// The folder that `path` is to stand in, or the nearest one above it that is there.
fs::path folder_above(const fs::path& path) {
  std::error_code ignored;
  fs::path folder = fs::absolute(path, ignored).parent_path();
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

std::optional<FreeSpace> space_at(int descriptor) {
  struct statvfs facts {};
  int result = 0;
  do {
    result = ::fstatvfs(descriptor, &facts);
  } while (result != 0 && errno == EINTR);
  // Without blocks: a filesystem that keeps no count.
  if (result != 0 || facts.f_blocks == 0) return std::nullopt;
  FreeSpace space;
  if (__builtin_mul_overflow(facts.f_bavail, facts.f_frsize, &space.bytes)) return std::nullopt;
  const auto left = quota_left(descriptor);
  if (left && *left < space.bytes) space = {.bytes = *left, .is_quota = true};
  return space;
}

/// The space if it is less than `bytes`.
std::optional<FreeSpace> lacking_space(const fs::path& folder, std::uint64_t bytes) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // A folder may be one to write in and not to be read.
  if (descriptor < 0 && errno == EACCES) return std::nullopt;
  if (descriptor < 0) throw_path_error(errno, "open the folder", folder);
  std::optional<FreeSpace> space = space_at(descriptor);
  if (space && space->bytes < bytes) {
    // Some filesystems count the blocks of removed files as free only after this.
    static_cast<void>(::syncfs(descriptor));
    space = space_at(descriptor);
  }
  ::close(descriptor);
  if (space && space->bytes >= bytes) space.reset();
  return space;
}

}  // namespace

std::uint64_t block_bytes(std::uint64_t bytes) noexcept {
  const std::uint64_t over = bytes % kBlock;
  return over == 0 ? bytes : bytes + (kBlock - over);
}

void require_space(const fs::path& path, const NeededSpace& needed) {
  const fs::path folder = folder_above(path);
  const auto space = lacking_space(folder, needed.bytes);
  if (!space) return;
  throw Error(needed.failure, space->is_quota ? "io-quota" : "io-no-space",
              fmt::format("{} takes {} bytes, and {} {}", needed.what, needed.bytes, space->bytes,
                          space->is_quota ? "are left of the disk quota" : "are free"),
              {.file = folder.string()}, needed.hint);
}

bool has_space(const fs::path& path, std::uint64_t bytes) {
  return !lacking_space(folder_above(path), bytes);
}

}  // namespace contourfuse
