// Descriptors, whole transfers, durable folders and small files.
#include "contourfuse/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/shape.hpp"
#include "contourfuse/io/page_buffer.hpp"
#include "io_error.hpp"
#include "unique_suffix.hpp"

namespace contourfuse {
namespace {

// One call moves at most this much: below the kernel's own limit (2 GiB less a page), and short
// enough that a signal's effect is not delayed for long.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;
constexpr std::uint64_t kLargestOffset = std::numeric_limits<off_t>::max();

Place place_in(const std::filesystem::path& path, std::uint64_t begin, std::uint64_t bytes) {
  const std::uint64_t end =
      checked_add(begin, bytes).value_or(std::numeric_limits<std::uint64_t>::max());
  return Place{.file = path.string(), .bytes = ByteRange{begin, end}};
}

Place place_of(const std::filesystem::path& path) { return Place{.file = path.string()}; }

int open_again(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  if (path.native().find('\0') != std::string::npos) {
    throw Error(Failure::kBadInput, "file-missing", "a path cannot hold a NUL byte",
                place_of(path));
  }
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

struct stat status_of(int descriptor, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_io_error(errno, "look at the file", place_of(path));
  return status;
}

const char* kind_of_file(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

File::File(int descriptor, std::filesystem::path path) noexcept
    : descriptor_(descriptor), path_(std::move(path)) {}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  // What close() could report was asked for by sync().
  if (descriptor_ >= 0) ::close(descriptor_);
}

File File::open(const std::filesystem::path& path) { return open_regular(path, O_RDONLY); }

File File::open_to_change(const std::filesystem::path& path) { return open_regular(path, O_RDWR); }

File File::open_regular(const std::filesystem::path& path, int access) {
  // O_NONBLOCK: opening a FIFO that nobody writes must not wait; regular files ignore it.
  const int descriptor = open_again(path, access | O_NONBLOCK);
  if (descriptor < 0) throw_path_error(errno, "open", path);
  File file(descriptor, path);
  const mode_t mode = status_of(descriptor, path).st_mode;
  if (!S_ISREG(mode)) {
    throw Error(Failure::kBadInput, "file-not-regular",
                fmt::format("is {} where a file should be", kind_of_file(mode)), place_of(path));
  }
  return file;
}

File File::create(const std::filesystem::path& path) {
  const int descriptor = open_again(path, O_RDWR | O_CREAT | O_EXCL, 0666);
  if (descriptor < 0) throw_path_error(errno, "create", path);
  return File(descriptor, path);
}

std::uint64_t File::size() const {
  return static_cast<std::uint64_t>(status_of(descriptor_, path_).st_size);
}

FileIdentity File::identity() const {
  const struct stat status = status_of(descriptor_, path_);
  return {
      .device = status.st_dev,
      .inode = status.st_ino,
      .bytes = static_cast<std::uint64_t>(status.st_size),
      .modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::optional<File> File::open_direct(Access access) const {
  const int descriptor =
      open_again(path_, O_DIRECT | O_NONBLOCK | (access == Access::kRead ? O_RDONLY : O_WRONLY));
  if (descriptor < 0) return std::nullopt;  // EINVAL as a rule
  std::optional<File> direct(File(descriptor, path_));
  const FileIdentity here = identity();
  const FileIdentity there = direct->identity();
  if (here.device != there.device || here.inode != there.inode) return std::nullopt;
#ifdef STATX_DIOALIGN
  struct statx facts {};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0 &&
      (facts.stx_mask & STATX_DIOALIGN) != 0) {
    // 0: not this file.
    if (facts.stx_dio_offset_align == 0 || facts.stx_dio_offset_align > kDirectBlock ||
        facts.stx_dio_mem_align > kDirectBlock) {
      return std::nullopt;
    }
  }
#endif
  return direct;
}

std::optional<std::size_t> File::read_some(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > kLargestOffset) return 0;
  for (;;) {
    const ssize_t moved = ::pread(descriptor_, out.data(), std::min(out.size(), kLargestTransfer),
                                  static_cast<off_t>(offset));
    if (moved >= 0) return static_cast<std::size_t>(moved);
    if (errno == EINVAL) return std::nullopt;
    if (errno != EINTR) throw_io_error(errno, "read", place_in(path_, offset, out.size()));
  }
}

void File::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::optional<std::size_t> moved = read_some(offset, out);
    if (!moved) throw_io_error(EINVAL, "read", place_in(path_, offset, out.size()));
    if (*moved == 0) {
      throw Error(Failure::kFailed, "io-short-read", "the file ends before these bytes",
                  place_in(path_, offset, out.size()),
                  "the file is shorter than it was or than it says; fetch it again");
    }
    out = out.subspan(*moved);
    offset += *moved;
  }
}

std::optional<std::size_t> File::write_some(std::uint64_t offset,
                                            std::span<const std::byte> bytes) {
  if (offset > kLargestOffset)
    throw_io_error(EFBIG, "write", place_in(path_, offset, bytes.size()));
  for (;;) {
    const ssize_t moved =
        ::pwrite(descriptor_, bytes.data(), std::min(bytes.size(), kLargestTransfer),
                 static_cast<off_t>(offset));
    if (moved > 0) return static_cast<std::size_t>(moved);
    if (moved == 0) throw_io_error(EIO, "write", place_in(path_, offset, bytes.size()));
    if (errno == EINVAL) return std::nullopt;
    if (errno != EINTR) throw_io_error(errno, "write", place_in(path_, offset, bytes.size()));
  }
}

void File::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::optional<std::size_t> moved = write_some(offset, bytes);
    if (!moved) throw_io_error(EINVAL, "write", place_in(path_, offset, bytes.size()));
    bytes = bytes.subspan(*moved);
    offset += *moved;
  }
}

void File::allocate(std::uint64_t bytes) {
  if (bytes == 0) return;
  if (bytes > kLargestOffset) throw_io_error(EFBIG, "reserve space", place_in(path_, 0, bytes));
  int result = 0;
  // Not posix_fallocate: where the filesystem cannot, that writes every block.
  do {
    result = ::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) {
    throw_io_error(errno, "reserve space", place_in(path_, 0, bytes));
  }
  // The size becomes the same as where space can be reserved; never less than it was.
  if (size() < bytes) resize(bytes);
}

void File::resize(std::uint64_t bytes) {
  if (bytes > kLargestOffset) throw_io_error(EFBIG, "resize", place_in(path_, 0, bytes));
  int result = 0;
  do {
    result = ::ftruncate(descriptor_, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw_io_error(errno, "resize", place_in(path_, 0, bytes));
}

void File::start_writeback(std::uint64_t offset, std::uint64_t bytes) noexcept {
  if (offset > kLargestOffset || bytes > kLargestOffset - offset) return;
  // Only a hint: what failed to be written is reported by sync().
  static_cast<void>(::sync_file_range(descriptor_, static_cast<off64_t>(offset),
                                      static_cast<off64_t>(bytes), SYNC_FILE_RANGE_WRITE));
}

void File::sync() {
  int result = 0;
  do {
    result = ::fsync(descriptor_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw_io_error(errno, "make durable", place_of(path_));
}

bool File::try_lock() const {
  int result = 0;
  do {
    result = ::flock(descriptor_, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno != EWOULDBLOCK;
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open_again(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) throw_path_error(errno, "open the folder", folder);
  int result = 0;
  do {
    result = ::fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  const int error = errno;
  ::close(descriptor);
  // EINVAL: the filesystem does not know of syncing folders.
  if (result != 0 && error != EINVAL) {
    throw_io_error(error, "make the folder durable", place_of(folder));
  }
}

void remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0) throw_path_error(errno, "remove", path);
}

std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const File file = File::open(path);
  const std::uint64_t bytes = file.size();
  if (bytes > max_bytes) {
    throw Error(Failure::kBadInput, "file-too-large",
                fmt::format("the file has {} bytes, at most {} are read", bytes, max_bytes),
                place_of(path));
  }
  std::string text(bytes, '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write_text(const std::filesystem::path& path, std::string_view text, bool durable) {
  write_pieces(
      path, [text](const TextSink& sink) { sink(text); }, durable);
}

void write_pieces(const std::filesystem::path& path,
                  const std::function<void(const TextSink&)>& produce, bool durable) {
  std::filesystem::path fresh = path;
  fresh += ".partial-" + unique_suffix();
  try {
    File file = File::create(fresh);
    std::uint64_t written = 0;
    produce([&](std::string_view text) {
      file.write(written, std::as_bytes(std::span(text)));
      written += text.size();
    });
    if (durable) file.sync();
    if (::rename(fresh.c_str(), path.c_str()) != 0) throw_path_error(errno, "replace", path);
  } catch (...) {
    static_cast<void>(::unlink(fresh.c_str()));
    throw;
  }
  const std::filesystem::path parent = path.parent_path();
  if (durable) sync_folder(parent.empty() ? "." : parent);
}

}  // namespace contourfuse
