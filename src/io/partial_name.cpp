// Making and recognising partial names.
#include "partial_name.hpp"

#include <string>
#include <string_view>
#include <system_error>

#include "unique_suffix.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMark = ".partial-";

bool is_partial_of(std::string_view name, std::string_view target) {
  if (!name.starts_with(target)) return false;
  name.remove_prefix(target.size());
  if (!name.starts_with(kMark)) return false;
  name.remove_prefix(kMark.size());
  return name.size() == kSuffixDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

fs::path new_partial_name(const fs::path& target) {
  fs::path name = target;
  return name += std::string(kMark) + unique_suffix();
}

std::vector<fs::path> partials_of(const fs::path& target, fs::file_type type) {
  std::vector<fs::path> found;
  std::error_code failure;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  fs::directory_iterator entries(folder, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    if (is_partial_of(entries->path().filename().native(), target.filename().native()) &&
        entries->symlink_status(failure).type() == type) {
      found.push_back(entries->path());
    }
  }
  return found;
}

}  // namespace contourfuse
