// Walking the folder of a fused checkpoint.
#include "fusion/listed_files.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "contourfuse/model/hub_cache.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

ListedKind kind_of(const fs::directory_entry& entry) {
  std::error_code failure;
  const fs::file_status status = entry.symlink_status(failure);
  if (!failure && fs::is_regular_file(status)) return ListedKind::kPlain;
  if (!failure && fs::is_symlink(status)) {
    return is_hub_blob_link(entry.path()) ? ListedKind::kHubBlobLink : ListedKind::kLink;
  }
  return ListedKind::kOther;
}

}  // namespace

std::string listed_name(const fs::path& relative) {
  const nlohmann::json name = relative.generic_string();
  return nlohmann::json::parse(name.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      .get<std::string>();
}

bool is_hidden(const std::string& name) {
  return name.starts_with('.') || name.find("/.") != std::string::npos;
}

std::map<std::string, FoundFile> find_files(const fs::path& folder) {
  std::map<std::string, FoundFile> found;
  std::error_code failure;
  fs::recursive_directory_iterator entry(folder, failure);
  for (const fs::recursive_directory_iterator end; !failure && entry != end;
       entry.increment(failure)) {
    const fs::file_status status = entry->symlink_status(failure);
    if (failure) break;
    if (fs::is_directory(status)) continue;
    found.emplace(listed_name(entry->path().lexically_relative(folder)),
                  FoundFile{.path = entry->path(), .kind = kind_of(*entry)});
  }
  if (failure) {
    throw Error(Failure::kBadInput, "folder-unreadable",
                fmt::format("the folder cannot be read: {}", failure.message()),
                Place{.file = folder.string()});
  }
  return found;
}

}  // namespace contourfuse
