// The partial folder, its one step to the target, and which targets are refused.
#include "contourfuse/io/publish.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "folder_lock.hpp"
#include "io_error.hpp"
#include "partial_name.hpp"
#include "unique_suffix.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

Place target_place(const fs::path& path) { return Place{.file = path.string()}; }

[[noreturn]] void refuse_existing(const fs::path& target) {
  throw Error(Failure::kBadInput, "output-exists", "the output exists already",
              target_place(target), "choose another name, or give --overwrite to replace it");
}

// Absolute, without a trailing slash, and ending in a name.
fs::path normal_target(const fs::path& target) {
  fs::path normal;
  std::error_code error;
  if (!target.empty()) normal = fs::absolute(target, error);
  if (!normal.has_filename()) normal = normal.parent_path();
  if (normal.filename() == "." || normal.filename() == "..") {
    normal = fs::weakly_canonical(normal, error);
  }
  if (error || !normal.has_filename()) {
    throw Error(Failure::kBadInput, "output-not-usable",
                error ? error.message() : "the output must have a name", target_place(target));
  }
  return normal;
}

int rename_with(const fs::path& from, const fs::path& to, unsigned flags) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
}

bool flags_unsupported(int error) { return error == EINVAL || error == ENOSYS; }

// 0 or an errno; EEXIST or ENOTEMPTY where another run came first.
int rename_folder_to_new(const fs::path& partial, const fs::path& target) {
  const int error = rename_with(partial, target, RENAME_NOREPLACE);
  if (!flags_unsupported(error)) return error;
  // A plain rename replaces no folder that holds something, and every finished output does.
  if (fs::exists(fs::symlink_status(target))) return EEXIST;
  return ::rename(partial.c_str(), target.c_str()) == 0 ? 0 : errno;
}

// 0 or an errno. Afterwards the old target stands at `partial`.
int exchange(const fs::path& partial, const fs::path& target) {
  const int error = rename_with(partial, target, RENAME_EXCHANGE);
  if (!flags_unsupported(error)) return error;
  // Two steps where the filesystem cannot exchange: in between there is no output, but both stand
  // beside it.
  fs::path old = partial;
  old += "-old";
  if (::rename(target.c_str(), old.c_str()) != 0) return errno;
  if (::rename(partial.c_str(), target.c_str()) != 0) {
    const int failed = errno;
    static_cast<void>(::rename(old.c_str(), target.c_str()));
    return failed;
  }
  return ::rename(old.c_str(), partial.c_str()) == 0 ? 0 : errno;
}

// `path` and every folder above it.
std::vector<fs::path> upwards(fs::path path) {
  std::vector<fs::path> all{path};
  while (path.has_relative_path()) {
    path = path.parent_path();
    all.push_back(path);
  }
  return all;
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

fs::path resolved(const fs::path& path) {
  fs::path result = fs::weakly_canonical(fs::absolute(path));
  if (!result.has_filename() && result.has_relative_path()) result = result.parent_path();
  return result;
}

}  // namespace

void refuse_unusable_output(const fs::path& output, bool overwrite) {
  const fs::path target = normal_target(output);
  std::error_code error;
  const fs::path parent = target.parent_path();
  if (!fs::is_directory(parent, error)) {
    throw Error(Failure::kBadInput, "output-parent-missing",
                "the folder that the output is to stand in does not exist", target_place(parent),
                "make it first, or choose another output");
  }
  const fs::file_status status = fs::symlink_status(target, error);
  if (fs::exists(status)) {
    if (!overwrite) refuse_existing(target);
    if (!fs::is_directory(status)) {
      throw Error(Failure::kBadInput, "output-not-a-folder",
                  "only a folder is overwritten, and this is none", target_place(target));
    }
  }
  if (::access(parent.c_str(), W_OK | X_OK) != 0) {
    throw Error(Failure::kBadInput, "output-not-writable",
                "this folder, which the output is to stand in, cannot be written to",
                target_place(parent));
  }
}

PartialFolder::PartialFolder(Adopted /*tag*/, const fs::path& target, bool overwrite,
                             Durability durability)
    : overwrite_(overwrite), durability_(durability) {
  refuse_unusable_output(target, overwrite);
  target_ = normal_target(target);
}

PartialFolder::PartialFolder(const fs::path& target, bool overwrite, Durability durability)
    : PartialFolder(Adopted{}, target, overwrite, durability) {
  // Between the making and the locking of a folder it looks like one that an ended run left.
  while (lock_ == nullptr) {
    partial_ = new_partial_name(target_);
    if (::mkdir(partial_.c_str(), 0777) != 0) throw_path_error(errno, "make the folder", partial_);
    if (auto lock = FolderLock::try_take(partial_)) {
      lock_ = std::make_unique<FolderLock>(std::move(*lock));
    }
  }
}

std::vector<PartialFolder> PartialFolder::adopt(const fs::path& target, bool overwrite,
                                                Durability durability) {
  std::vector<PartialFolder> adopted;
  for (const fs::path& path : partials_of(normal_target(target), fs::file_type::directory)) {
    PartialFolder partial(Adopted{}, target, overwrite, durability);
    auto lock = FolderLock::try_take(path);
    if (!lock) {
      std::error_code ignored;
      if (!fs::exists(path, ignored)) continue;
      throw Error(Failure::kFailed, "output-in-progress", "another run is writing this output",
                  target_place(path), "wait until it has ended");
    }
    partial.partial_ = path;
    partial.lock_ = std::make_unique<FolderLock>(std::move(*lock));
    partial.kept_ = true;
    adopted.push_back(std::move(partial));
  }
  return adopted;
}

PartialFolder::PartialFolder(PartialFolder&& other) noexcept = default;

PartialFolder::~PartialFolder() {
  std::error_code ignored;  // a destructor cannot report it, and the error under way says more
  if (lock_ != nullptr && !kept_) fs::remove_all(partial_, ignored);
}

void PartialFolder::sync_folders() const {
  if (durability_ == Durability::kNone) return;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(partial_)) {
      if (entry.symlink_status().type() == fs::file_type::directory) sync_folder(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw_io_error(error.code().value(), "list the folder", target_place(partial_));
  }
  sync_folder(partial_);
}

void PartialFolder::publish() {
  sync_folders();
  bool replaced = overwrite_;
  int error = overwrite_ ? exchange(partial_, target_) : ENOENT;
  if (error == ENOENT) {
    replaced = false;
    error = rename_folder_to_new(partial_, target_);
  }
  if (error == EEXIST || error == ENOTEMPTY) refuse_existing(target_);
  if (error != 0) throw_io_error(error, "publish the output", target_place(target_));
  kept_ = true;
  if (durability_ == Durability::kFull) sync_folder(target_.parent_path());
  if (!replaced) return;
  std::error_code removal;
  fs::remove_all(partial_, removal);
  if (removal) {
    throw Error(Failure::kFailed, "old-output-not-removed",
                fmt::format("the new output is in place, but the old one cannot be removed: {}",
                            removal.message()),
                target_place(partial_), "remove this folder by hand");
  }
}

std::uint64_t bytes_in_partials(const fs::path& target) {
  constexpr std::uint64_t kUnit = 512;  // of st_blocks, on every filesystem
  std::uint64_t bytes = 0;
  std::error_code failure;
  for (const fs::path& partial : partials_of(normal_target(target), fs::file_type::directory)) {
    fs::recursive_directory_iterator entry(partial, failure);
    for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure)) {
      struct stat status {};
      if (::lstat(entry->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        bytes += static_cast<std::uint64_t>(status.st_blocks) * kUnit;
      }
    }
  }
  return bytes;
}

std::vector<bool> publish_new_files(const fs::path& folder, const std::vector<NewFile>& files) {
  std::vector<fs::path> fresh;
  const auto remove_all = [&fresh] {
    for (const fs::path& path : fresh) static_cast<void>(::unlink(path.c_str()));
  };
  std::vector<bool> published;
  try {
    std::vector<File> written;
    for (const NewFile& file : files) {
      fresh.push_back(file.path.string() + ".tmp-" + unique_suffix());
      written.push_back(File::create(fresh.back()));
      written.back().write(0, std::as_bytes(std::span(file.text)));
    }
    // The first takes the time; what the others wrote goes with it.
    for (File& file : written) file.sync();
    for (std::size_t i = 0; i < files.size(); ++i) {
      published.push_back(::link(fresh[i].c_str(), files[i].path.c_str()) == 0);
      if (!published.back() && errno != EEXIST) {
        throw_path_error(errno, "publish the file", files[i].path);
      }
    }
  } catch (...) {
    remove_all();
    throw;
  }
  remove_all();
  sync_folder(folder);
  return published;
}

void refuse_overlap(const fs::path& output, const fs::path& input) {
  const auto refuse = [&](const char* how) {
    throw Error(Failure::kBadInput, "output-overlaps-input",
                fmt::format("the output {} the input {}", how, input.string()),
                target_place(output), "choose an output outside of every input");
  };
  try {
    const fs::path from = resolved(input);
    const fs::path to = resolved(output);
    if (from == to || is_same_file(from, to)) refuse("is");
    // By identity as well as by name: a bind mount or a filesystem without letter case gives one
    // folder two names.
    for (const fs::path& above : upwards(to)) {
      if (above == from || is_same_file(above, from)) refuse("lies inside of");
    }
    for (const fs::path& above : upwards(from)) {
      if (above == to || is_same_file(above, to)) refuse("contains");
    }
  } catch (const fs::filesystem_error& error) {
    throw_path_error(error.code().value(), "resolve the path", output);
  }
}

}  // namespace contourfuse
