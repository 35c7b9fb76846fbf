// The functions of libc that change the disk or read it, under their own names.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>

#include "watched_call.hpp"

namespace {

using faults::Call;
using faults::path_at;
using faults::path_of;
using faults::watched;

constexpr int kCreating = O_CREAT | O_TRUNC;

int open_watched(int folder, const char* path, int flags, mode_t mode) {
  const bool changes = (flags & kCreating) != 0;
  Call call{.name = changes ? "create" : "open", .changes = changes};
  path_at(folder, path, call.path);
  return static_cast<int>(watched(call, [&](std::uint64_t) {
    return ::syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
  }));
}

Call on_descriptor(const char* name, bool changes, int descriptor) {
  Call call{.name = name, .changes = changes};
  path_of(descriptor, call.path);
  return call;
}

ssize_t write_watched(int descriptor, const void* data, std::size_t bytes, const off_t* offset) {
  Call call = on_descriptor("write", true, descriptor);
  call.bytes = bytes;
  call.data = data;
  call.shortens = true;
  call.offset = offset != nullptr ? *offset : ::syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
  if (offset == nullptr && (::syscall(SYS_fcntl, descriptor, F_GETFL) & O_APPEND) != 0) {
    struct stat status {};
    if (::fstat(descriptor, &status) == 0) call.offset = status.st_size;
  }
  return watched(call, [&](std::uint64_t now) {
    return offset != nullptr ? ::syscall(SYS_pwrite64, descriptor, data, now, *offset)
                             : ::syscall(SYS_write, descriptor, data, now);
  });
}

ssize_t read_watched(int descriptor, void* data, std::size_t bytes, const off_t* offset) {
  Call call = on_descriptor("read", false, descriptor);
  call.bytes = bytes;
  call.shortens = true;
  call.offset = offset != nullptr ? *offset : ::syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
  return watched(call, [&](std::uint64_t now) {
    return offset != nullptr ? ::syscall(SYS_pread64, descriptor, data, now, *offset)
                             : ::syscall(SYS_read, descriptor, data, now);
  });
}

// A write of many pieces may be a short one: of the first that is not empty.
ssize_t write_first(int descriptor, const iovec* pieces, int count, const off_t* offset) {
  while (count > 1 && pieces->iov_len == 0) ++pieces, --count;
  return write_watched(descriptor, pieces->iov_base, pieces->iov_len, offset);
}

int rename_watched(int from_folder, const char* from, int to_folder, const char* to,
                   unsigned flags) {
  Call call{.name = (flags & RENAME_EXCHANGE) != 0 ? "exchange" : "rename", .changes = true};
  path_at(from_folder, from, call.path);
  path_at(to_folder, to, call.other);
  return static_cast<int>(watched(call, [&](std::uint64_t) {
    return ::syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
  }));
}

int sync_watched(int descriptor, long number) {
  Call call = on_descriptor("sync", true, descriptor);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(number, descriptor); }));
}

// off_t is off64_t on every 64-bit Linux; both names of each function do the same.
static_assert(sizeof(off_t) == sizeof(off64_t));

mode_t mode_of(int flags, va_list rest) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

}  // namespace

#define FAULTS_EXPORT extern "C" __attribute__((visibility("default")))

FAULTS_EXPORT int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_watched(AT_FDCWD, path, flags, mode);
}

FAULTS_EXPORT int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_watched(AT_FDCWD, path, flags, mode);
}

FAULTS_EXPORT int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_watched(folder, path, flags, mode);
}

FAULTS_EXPORT int openat64(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_watched(folder, path, flags, mode);
}

FAULTS_EXPORT int creat(const char* path, mode_t mode) {
  return open_watched(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
FAULTS_EXPORT int creat64(const char* path, mode_t mode) { return creat(path, mode); }

FAULTS_EXPORT ssize_t read(int descriptor, void* data, size_t bytes) {
  return read_watched(descriptor, data, bytes, nullptr);
}
FAULTS_EXPORT ssize_t pread(int descriptor, void* data, size_t bytes, off_t offset) {
  return read_watched(descriptor, data, bytes, &offset);
}
FAULTS_EXPORT ssize_t pread64(int descriptor, void* data, size_t bytes, off64_t offset) {
  return read_watched(descriptor, data, bytes, &offset);
}

FAULTS_EXPORT ssize_t write(int descriptor, const void* data, size_t bytes) {
  return write_watched(descriptor, data, bytes, nullptr);
}
FAULTS_EXPORT ssize_t pwrite(int descriptor, const void* data, size_t bytes, off_t offset) {
  return write_watched(descriptor, data, bytes, &offset);
}
FAULTS_EXPORT ssize_t pwrite64(int descriptor, const void* data, size_t bytes, off64_t offset) {
  return write_watched(descriptor, data, bytes, &offset);
}
FAULTS_EXPORT ssize_t writev(int descriptor, const iovec* pieces, int count) {
  return write_first(descriptor, pieces, count, nullptr);
}
FAULTS_EXPORT ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t offset) {
  return write_first(descriptor, pieces, count, &offset);
}
FAULTS_EXPORT ssize_t pwritev64(int descriptor, const iovec* pieces, int count, off64_t offset) {
  return write_first(descriptor, pieces, count, &offset);
}

FAULTS_EXPORT int ftruncate(int descriptor, off_t length) {
  Call call = on_descriptor("truncate", true, descriptor);
  call.bytes = static_cast<std::uint64_t>(length);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_ftruncate, descriptor, length); }));
}
FAULTS_EXPORT int ftruncate64(int descriptor, off64_t length) {
  return ftruncate(descriptor, length);
}
FAULTS_EXPORT int truncate(const char* path, off_t length) {
  Call call{.name = "truncate", .changes = true};
  path_at(AT_FDCWD, path, call.path);
  call.bytes = static_cast<std::uint64_t>(length);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_truncate, path, length); }));
}
FAULTS_EXPORT int truncate64(const char* path, off64_t length) { return truncate(path, length); }

FAULTS_EXPORT int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  // The model of a disk knows the reserving of space, which lengthens the file.
  Call call = on_descriptor(mode == 0 ? "allocate" : "punch", true, descriptor);
  call.offset = offset;
  call.bytes = static_cast<std::uint64_t>(length);
  return static_cast<int>(watched(call, [&](std::uint64_t) {
    return ::syscall(SYS_fallocate, descriptor, mode, offset, length);
  }));
}
FAULTS_EXPORT int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
  return fallocate(descriptor, mode, offset, length);
}

FAULTS_EXPORT int sync_file_range(int descriptor, off64_t offset, off64_t bytes, unsigned flags) {
  Call call = on_descriptor("writeback", true, descriptor);
  call.offset = offset;
  call.bytes = static_cast<std::uint64_t>(bytes);
  return static_cast<int>(watched(call, [&](std::uint64_t) {
    return ::syscall(SYS_sync_file_range, descriptor, offset, bytes, flags);
  }));
}
FAULTS_EXPORT int fsync(int descriptor) { return sync_watched(descriptor, SYS_fsync); }
FAULTS_EXPORT int fdatasync(int descriptor) { return sync_watched(descriptor, SYS_fdatasync); }
FAULTS_EXPORT int msync(void* address, size_t bytes, int flags) {
  // No path belongs to it; the program has no mapping that it writes, which the replay shows.
  return static_cast<int>(::syscall(SYS_msync, address, bytes, flags));
}

FAULTS_EXPORT int rename(const char* from, const char* to) {
  return rename_watched(AT_FDCWD, from, AT_FDCWD, to, 0);
}
FAULTS_EXPORT int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return rename_watched(from_folder, from, to_folder, to, 0);
}
FAULTS_EXPORT int renameat2(int from_folder, const char* from, int to_folder, const char* to,
                            unsigned flags) {
  return rename_watched(from_folder, from, to_folder, to, flags);
}

FAULTS_EXPORT int linkat(int from_folder, const char* from, int to_folder, const char* to,
                         int flags) {
  Call call{.name = "link", .changes = true};
  path_at(from_folder, from, call.path);
  path_at(to_folder, to, call.other);
  return static_cast<int>(watched(call, [&](std::uint64_t) {
    return ::syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  }));
}
FAULTS_EXPORT int link(const char* from, const char* to) {
  return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
FAULTS_EXPORT int symlinkat(const char* target, int folder, const char* path) {
  Call call{.name = "symlink", .changes = true};
  path_at(folder, path, call.path);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_symlinkat, target, folder, path); }));
}
FAULTS_EXPORT int symlink(const char* target, const char* path) {
  return symlinkat(target, AT_FDCWD, path);
}

FAULTS_EXPORT int unlinkat(int folder, const char* path, int flags) {
  Call call{.name = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", .changes = true};
  path_at(folder, path, call.path);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_unlinkat, folder, path, flags); }));
}
FAULTS_EXPORT int unlink(const char* path) { return unlinkat(AT_FDCWD, path, 0); }
FAULTS_EXPORT int rmdir(const char* path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
FAULTS_EXPORT int remove(const char* path) {
  if (unlink(path) == 0) return 0;
  return errno == EISDIR ? rmdir(path) : -1;
}

FAULTS_EXPORT int mkdirat(int folder, const char* path, mode_t mode) {
  Call call{.name = "mkdir", .changes = true};
  path_at(folder, path, call.path);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_mkdirat, folder, path, mode); }));
}
FAULTS_EXPORT int mkdir(const char* path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

FAULTS_EXPORT ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset,
                                      size_t bytes, unsigned flags) {
  Call call = on_descriptor("copy", true, to);
  path_of(from, call.other);
  call.offset = to_offset != nullptr ? *to_offset : ::syscall(SYS_lseek, to, 0, SEEK_CUR);
  call.bytes = bytes;
  call.shortens = true;
  return watched(call, [&](std::uint64_t now) {
    return ::syscall(SYS_copy_file_range, from, from_offset, to, to_offset, now, flags);
  });
}

FAULTS_EXPORT int ioctl(int descriptor, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  if (request != FICLONE) {
    return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, argument));
  }
  Call call = on_descriptor("clone", true, descriptor);
  path_of(static_cast<int>(reinterpret_cast<std::intptr_t>(argument)), call.other);
  return static_cast<int>(watched(
      call, [&](std::uint64_t) { return ::syscall(SYS_ioctl, descriptor, request, argument); }));
}

FAULTS_EXPORT int fchmodat(int folder, const char* path, mode_t mode, int) {
  Call call{.name = "chmod", .changes = true};
  path_at(folder, path, call.path);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_fchmodat, folder, path, mode); }));
}
FAULTS_EXPORT int chmod(const char* path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }
FAULTS_EXPORT int fchmod(int descriptor, mode_t mode) {
  Call call = on_descriptor("chmod", true, descriptor);
  return static_cast<int>(
      watched(call, [&](std::uint64_t) { return ::syscall(SYS_fchmod, descriptor, mode); }));
}
FAULTS_EXPORT int utimensat(int folder, const char* path, const timespec* times, int flags) {
  Call call{.name = "utime", .changes = true};
  path_at(folder, path, call.path);
  return static_cast<int>(watched(
      call, [&](std::uint64_t) { return ::syscall(SYS_utimensat, folder, path, times, flags); }));
}
