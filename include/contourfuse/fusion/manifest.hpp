// contourfuse.json: what a fused checkpoint was made from and with, and the hash of every file.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contourfuse/fusion/fuse.hpp"

namespace contourfuse {

inline constexpr const char* kManifestName = "contourfuse.json";

/// A side file of the output as the manifest lists it.
struct ListedFile {
  std::string name{};  ///< relative path with '/'
  std::uint64_t bytes = 0;
  std::string xxh3_128{};
};

/// The manifest of a finished run: fuse_document without `seconds` and absolute output paths, plus
/// `command`, `base`, `delta`, `shards`, `files`, `edited`. Its own hash is filled in.
[[nodiscard]] nlohmann::ordered_json make_manifest(const FusePlan& plan, const FuseReport& report,
                                                   const std::vector<ListedFile>& side_files);

/// Text of a manifest, ending in a newline.
[[nodiscard]] std::string manifest_text(const nlohmann::ordered_json& manifest);

/// Reads and checks the manifest of a folder: JSON, schema, its own hash. Throws
/// Error{kFailed, "manifest-damaged"}; absent is Error{kFailed, "manifest-missing"}.
[[nodiscard]] nlohmann::json read_manifest(const std::filesystem::path& folder);

}  // namespace contourfuse
