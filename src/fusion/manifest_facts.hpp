// What verifying needs from a manifest, read with every type checked: it may be a forgery.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contourfuse/fusion/settings.hpp"

namespace contourfuse {

struct FileFacts {
  std::uint64_t bytes = 0;
  std::string hash{};
};

struct ManifestFacts {
  std::string model{};        ///< as the user gave it
  std::string base_folder{};  ///< where it was found
  std::map<std::string, FileFacts> base_shards{};
  std::string weights{};
  FuseParameters parameters{};
  std::vector<std::string> layers{};  ///< the selected ones, as select_layers' words
  std::map<std::string, FileFacts> shards{};
  std::map<std::string, FileFacts> files{};
  std::map<std::string, std::string> edited{};         ///< tensor → hash
  std::map<std::string, std::string> delta_tensors{};  ///< tensor → hash; empty for a recipe
};

/// `file` is the manifest's own path. Throws Error{kFailed, "manifest-damaged"}.
[[nodiscard]] ManifestFacts read_facts(const nlohmann::json& manifest, const std::string& file);

}  // namespace contourfuse
