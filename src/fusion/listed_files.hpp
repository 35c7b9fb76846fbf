// The files of a fused checkpoint's folder, as a manifest names them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace contourfuse {

/// What stands under a name; only a plain file is hashed.
enum class ListedKind { kPlain, kHubBlobLink, kLink, kOther };

struct FoundFile {
  std::filesystem::path path{};
  ListedKind kind = ListedKind::kPlain;
};

/// A relative path with '/', as JSON can hold it: bytes that are not UTF-8 are U+FFFD.
[[nodiscard]] std::string listed_name(const std::filesystem::path& relative);

/// True if any part of the name begins with a dot.
[[nodiscard]] bool is_hidden(const std::string& name);

/// Everything in `folder` that is not a folder, by listed_name; links are not followed.
[[nodiscard]] std::map<std::string, FoundFile> find_files(const std::filesystem::path& folder);

}  // namespace contourfuse
