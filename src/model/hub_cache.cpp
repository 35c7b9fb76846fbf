// Look-up in the local Hugging Face cache: models--ORG--NAME/{refs,snapshots,blobs}.
#include "contourfuse/model/hub_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

/// A commit id is 40 bytes; nothing longer is a reference.
constexpr std::uint64_t kMaxReferenceBytes = 256;

std::optional<fs::path> environment_path(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const std::string_view text = value;
  const char* home = std::getenv("HOME");
  if (home != nullptr && (text == "~" || text.starts_with("~/"))) {
    return fs::path(std::string(home).append(text.substr(1)));
  }
  return fs::path(text);
}

/// In the order in which huggingface_hub looks.
fs::path cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto folder = environment_path(name)) return *folder;
  }
  if (const auto home = environment_path("HF_HOME")) return *home / "hub";
  if (const auto cache = environment_path("XDG_CACHE_HOME")) return *cache / "huggingface" / "hub";
  const fs::path home = environment_path("HOME").value_or(fs::path("/"));
  return home / ".cache" / "huggingface" / "hub";
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.front() != '.' && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), allowed) &&
         text.find("..") == std::string_view::npos;
}

/// "NAME" or "ORG/NAME".
bool is_hub_id(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text);
  return is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

/// A branch, tag or commit: names joined by '/' ("refs/pr/3").
bool is_revision(std::string_view text) {
  while (true) {
    const std::size_t slash = text.find('/');
    if (!is_name(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::optional<fs::path> find_snapshot(const fs::path& repository, const std::string& revision) {
  const fs::path snapshots = repository / "snapshots";
  if (!revision.empty() && is_name(revision) && is_folder(snapshots / revision)) {
    return snapshots / revision;
  }
  const fs::path reference = repository / "refs" / (revision.empty() ? "main" : revision);
  std::error_code ignored;
  if (!fs::is_regular_file(reference, ignored)) return std::nullopt;
  std::string commit = read_text(reference, kMaxReferenceBytes);
  const auto last = commit.find_last_not_of(" \t\r\n");
  commit.resize(last == std::string::npos ? 0 : last + 1);
  if (!is_name(commit) || !is_folder(snapshots / commit)) return std::nullopt;
  return snapshots / commit;
}

std::string folder_name(std::string_view hub_id) {
  std::string name = "models--";
  for (const char c : hub_id) {
    if (c == '/') {
      name += "--";
    } else {
      name += c;
    }
  }
  return name;
}

}  // namespace

std::filesystem::path resolve_model(const std::string& model, const std::string& revision) {
  std::error_code failure;
  fs::path path = model;
  if (!model.empty() && fs::exists(path, failure)) return path;
  if (!is_hub_id(model)) {
    throw Error(Failure::kBadInput, "model-not-found",
                failure && failure != std::errc::no_such_file_or_directory &&
                        failure != std::errc::not_a_directory
                    ? fmt::format("cannot be read: {}", failure.message())
                    : std::string("no such file or folder"),
                Place{.file = model},
                "give a folder with config.json and safetensors files, or a hub id (ORG/NAME)");
  }
  if (!revision.empty() && !is_revision(revision)) {
    throw Error(Failure::kBadInput, "model-not-found",
                fmt::format("\"{}\" is no revision of a hub model", revision), Place{.file = model},
                "give a branch, a tag or a commit");
  }
  const fs::path cache = cache_folder();
  if (const auto snapshot = find_snapshot(cache / folder_name(model), revision)) return *snapshot;
  const std::string flag = revision.empty() ? std::string() : " --revision " + revision;
  throw Error(
      Failure::kBadInput, "model-not-found",
      fmt::format("neither a folder nor in the hub cache {}{}", cache.string(),
                  revision.empty() ? std::string() : fmt::format(" at revision {}", revision)),
      Place{.file = model}, fmt::format("hf download {}{}", model, flag));
}

bool is_hub_blob_link(const std::filesystem::path& link) {
  std::error_code failure;
  if (!fs::is_symlink(fs::symlink_status(link, failure))) return false;
  const fs::path target = fs::canonical(link, failure);
  if (failure || !fs::is_regular_file(target, failure)) return false;
  const fs::path absolute = fs::absolute(link, failure);
  if (failure) return false;
  fs::path folder = fs::canonical(absolute.parent_path(), failure);
  if (failure) return false;
  // …/models--ORG--NAME/snapshots/COMMIT/[folders/]file → …/models--ORG--NAME/blobs/HASH
  for (fs::path commit; folder.has_relative_path(); folder = folder.parent_path()) {
    if (folder.filename() == "snapshots" && !commit.empty()) {
      const fs::path repository = folder.parent_path();
      return repository.filename().string().starts_with("models--") &&
             target.parent_path() == repository / "blobs";
    }
    commit = folder.filename();
  }
  return false;
}

bool is_in_hub_cache(const std::filesystem::path& path) {
  std::error_code failure;
  const fs::path real = fs::canonical(path, failure);
  if (failure) return false;
  fs::path above;
  for (const fs::path& part : real) {
    if ((part == "snapshots" || part == "blobs") && above.string().starts_with("models--")) {
      return true;
    }
    above = part;
  }
  return false;
}

}  // namespace contourfuse
