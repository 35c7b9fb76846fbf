// Partial files: written, published, and those that killed runs left.
#include "contourfuse/io/partial_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "io_error.hpp"
#include "partial_name.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// 0 or an errno; EEXIST if the name is taken.
int rename_file_to_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A hard link replaces nothing either.
  if (::link(from.c_str(), to.c_str()) == 0) return ::unlink(from.c_str()) == 0 ? 0 : errno;
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return errno;
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(to, ignored))) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace

PartialFile::PartialFile(fs::path target) : target_(std::move(target)) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(target_, ignored))) throw_path_error(EEXIST, "create", target_);
  remove_stray_partials(target_);
  partial_ = new_partial_name(target_);
  file_ = File::create(partial_);
  static_cast<void>(file_.try_lock());
}

PartialFile::~PartialFile() {
  // A destructor cannot report it, and the error under way says more.
  if (!published_) static_cast<void>(::unlink(partial_.c_str()));
}

void PartialFile::publish() {
  file_.sync();
  const int error = rename_file_to_new(partial_, target_);
  if (error != 0) throw_path_error(error, "publish the file", target_);
  published_ = true;
  sync_folder(folder_of(target_));
}

void remove_stray_partials(const fs::path& file) {
  for (const fs::path& stray : partials_of(file, fs::file_type::regular)) {
    try {
      if (File::open(stray).try_lock()) static_cast<void>(::unlink(stray.c_str()));
    } catch (const Error&) {
      // Not ours to remove, or gone.
    }
  }
}

}  // namespace contourfuse
