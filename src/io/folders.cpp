// mkdir, readdir and removal.
#include "contourfuse/io/folders.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "contourfuse/io/file.hpp"
#include "io_error.hpp"

namespace contourfuse {
namespace fs = std::filesystem;

void make_folders(const fs::path& folder, bool durable) {
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return;
  const fs::path parent = folder.parent_path();
  // "folder/" has the parent "folder".
  if (!folder.has_filename() && !parent.empty() && parent != folder)
    return make_folders(parent, durable);
  if (!parent.empty()) make_folders(parent, durable);
  // Another process may have made it meanwhile.
  const int error = ::mkdir(folder.c_str(), 0777) == 0 ? 0 : errno;
  if (error != 0 && !(error == EEXIST && fs::is_directory(folder, ignored))) {
    throw_path_error(error, "make the folder", folder);
  }
  if (durable) sync_folder(parent.empty() ? fs::path(".") : parent);
}

std::vector<fs::path> list_folder(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failure;
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    found.push_back(entry->path());
  }
  if (failure) throw_path_error(failure.value(), "list the folder", folder);
  return found;
}

void remove_tree(const fs::path& path) {
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) throw_path_error(failure.value(), "remove", path);
}

}  // namespace contourfuse
