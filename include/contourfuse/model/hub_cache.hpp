// Hub ids in the local Hugging Face cache. Nothing is downloaded.
#pragma once

#include <filesystem>
#include <string>

namespace contourfuse {

/// A model folder as named by a user: a path as it is if it exists, else a hub id
/// ("google/gemma-4-31B-it") looked up in HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub at
/// `revision` (empty: refs/main). Throws Error{kBadInput, "model-not-found"} whose hint is the
/// `hf download` line.
[[nodiscard]] std::filesystem::path resolve_model(const std::string& model,
                                                  const std::string& revision = {});

/// True if `link` is the cache's own snapshots/… → blobs/… link.
[[nodiscard]] bool is_hub_blob_link(const std::filesystem::path& link);

/// True if the path, links resolved, lies in a repository of a hub cache, wherever that is:
/// …/models--ORG--NAME/snapshots/… or …/blobs/….
[[nodiscard]] bool is_in_hub_cache(const std::filesystem::path& path);

}  // namespace contourfuse
