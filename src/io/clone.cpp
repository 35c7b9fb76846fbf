// FICLONE and copy_file_range.
#include "contourfuse/io/clone.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "contourfuse/core/error.hpp"
#include "io_error.hpp"

namespace contourfuse {
namespace {

// Not in every <linux/magic.h>.
constexpr std::uint64_t kCifsMagic = 0xFF534D42;
constexpr std::uint64_t kSmb2Magic = 0xFE534D42;
constexpr std::uint64_t kCephMagic = 0x00C36400;
constexpr std::size_t kLargestCopy = std::size_t{1} << 30;

/// Whether a server copies ranges. A local filesystem that cannot clone moves the bytes inside the
/// kernel, which is slower than reading and writing them (a third on ext4).
bool is_served(const File& file) {
  struct statfs facts {};
  if (::fstatfs(file.descriptor(), &facts) != 0) return false;
  const auto type = static_cast<std::uint64_t>(facts.f_type) & 0xFFFFFFFFU;
  return type == NFS_SUPER_MAGIC || type == kCifsMagic || type == kSmb2Magic || type == kCephMagic;
}

bool clone(const File& source, int target) {
  int result = 0;
  do {
    result = ::ioctl(target, FICLONE, source.descriptor());
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

CopyMethod clone_or_choose(const File& source, File& target) {
  if (clone(source, target.descriptor())) return CopyMethod::kCloned;
  // Whatever the reason, the bytes can be written, or that says what is wrong.
  return is_served(source) && is_served(target) ? CopyMethod::kCopyRange : CopyMethod::kWrite;
}

bool can_clone(const File& source, const std::filesystem::path& folder) {
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed < 0) return false;
  const bool cloned = clone(source, unnamed);
  ::close(unnamed);
  return cloned;
}

bool copy_range(const File& source, File& target, std::uint64_t offset, std::uint64_t bytes) {
  while (bytes > 0) {
    auto from = static_cast<off64_t>(offset);
    auto to = static_cast<off64_t>(offset);
    const ssize_t moved = ::copy_file_range(
        source.descriptor(), &from, target.descriptor(), &to,
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kLargestCopy)), 0);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      throw_io_error(errno, "write",
                     {.file = target.path().string(), .bytes = ByteRange{offset, offset + bytes}});
    }
    if (moved <= 0) return false;
    offset += static_cast<std::uint64_t>(moved);
    bytes -= static_cast<std::uint64_t>(moved);
  }
  return true;
}

}  // namespace contourfuse
