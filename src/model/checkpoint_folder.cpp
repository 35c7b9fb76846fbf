// Side files of a checkpoint's folder.
#include "checkpoint_folder.hpp"

#include <algorithm>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/model/confined.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

/// Name of the manifest that fuse writes.
constexpr std::string_view kManifestName = "contourfuse.json";
/// Deepest folder inside a checkpoint that is copied; published ones have one or two.
constexpr int kMaxFolderDepth = 32;

[[noreturn]] void refuse(const char* kind, const char* rule, const fs::path& path,
                         const char* hint = "") {
  throw Error(Failure::kBadInput, kind, rule, Place{.file = path.string()}, hint);
}

/// Walks one folder; `relative` is empty for the checkpoint's own.
class SideFiles {
 public:
  SideFiles(const fs::path& folder, const std::set<std::string, std::less<>>& shards)
      : folder_(folder), shards_(shards) {}

  std::vector<fs::path> list() {
    visit({}, 0);
    std::ranges::sort(found_);
    return std::move(found_);
  }

 private:
  void visit(const fs::path& relative, int depth) {
    const fs::path here = relative.empty() ? folder_ : folder_ / relative;
    if (depth > kMaxFolderDepth) refuse("folder-too-deep", "lies too deep to be copied", here);
    for (const fs::path& entry : list_folder(here)) {
      const std::string name = entry.filename().string();
      if (name.starts_with('.')) continue;
      if (depth == 0 && (name == kManifestName || shards_.contains(name))) continue;
      add(relative.empty() ? fs::path(name) : relative / name, depth);
    }
  }

  void add(fs::path relative, int depth) {
    const fs::path path = folder_ / relative;
    std::error_code failure;
    const bool link = fs::is_symlink(fs::symlink_status(path, failure));
    if (link) static_cast<void>(confined(folder_, relative));
    const fs::file_status status = fs::status(path, failure);
    if (fs::is_directory(status)) {
      if (link) {
        refuse("link-to-folder", "is a link to a folder, which is not copied", path,
               "replace the link by the folder itself");
      }
      visit(relative, depth + 1);
    } else if (fs::is_regular_file(status)) {
      found_.push_back(std::move(relative));
    } else {
      refuse("file-not-regular", "is neither a file nor a folder", path);
    }
  }

  const fs::path& folder_;
  const std::set<std::string, std::less<>>& shards_;
  std::vector<fs::path> found_{};
};

}  // namespace

bool has_entry(const std::filesystem::path& folder, const std::string& name) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(folder / name, ignored));
}

std::vector<std::filesystem::path> list_side_files(
    const std::filesystem::path& folder, const std::set<std::string, std::less<>>& shards) {
  return SideFiles(folder, shards).list();
}

}  // namespace contourfuse
