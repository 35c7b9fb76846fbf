// Following links to see where they lead.
#include "contourfuse/model/confined.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "contourfuse/model/hub_cache.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_link(const char* kind, const char* rule, const fs::path& path,
                              const char* hint = "") {
  throw Error(Failure::kBadInput, kind, rule, Place{.file = path.string()}, hint);
}

bool is_inside(const fs::path& folder, const fs::path& path) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

void check_link(const fs::path& canonical_folder, const fs::path& link) {
  if (is_hub_blob_link(link)) return;
  std::error_code failure;
  const fs::path target = fs::canonical(link, failure);
  if (failure) refuse_link("file-missing", "is a link that leads nowhere", link);
  if (!is_inside(canonical_folder, target)) {
    refuse_link("link-leaves-folder", "is a link out of its folder", link,
                "replace the link by the file itself");
  }
}

fs::path canonical_folder_of(const fs::path& folder) {
  std::error_code failure;
  fs::path canonical = fs::canonical(folder, failure);
  if (failure) {
    throw Error(Failure::kBadInput, "file-missing",
                fmt::format("cannot be read: {}", failure.message()),
                Place{.file = folder.string()});
  }
  return canonical;
}

}  // namespace

std::filesystem::path confined(const std::filesystem::path& folder,
                               const std::filesystem::path& relative) {
  fs::path path = folder;
  for (const fs::path& part : relative) {
    path /= part;
    std::error_code failure;
    if (fs::is_symlink(fs::symlink_status(path, failure))) {
      check_link(canonical_folder_of(folder), path);
    }
  }
  return path;
}

}  // namespace contourfuse
