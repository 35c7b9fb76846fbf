// The shards of a model while one run alone may change them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// In a model's folder while it is edited in part: says so, and which undo file mends it.
inline constexpr const char* kUnfinishedName = "contourfuse.unfinished";

class HeldModel {
 public:
  /// Opens the shards of `changing`, and locks the model by its first one.
  /// Throws Error{kFailed, "model-in-use"} while another run holds it.
  HeldModel(std::filesystem::path folder, const std::vector<std::string>& shards,
            const std::vector<bool>& changing);

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] bool is_changing(std::size_t shard) const { return changing_[shard]; }
  /// One that is changing.
  [[nodiscard]] File& operator[](std::size_t shard) noexcept { return shards_[shard]; }
  /// Removes small files that a killed run left half written.
  void remove_strays() const;
  /// Syncs what may have changed.
  void sync();

 private:
  std::filesystem::path folder_;
  std::vector<bool> changing_;
  std::vector<File> shards_{};
};

/// Refuses (Error{kBadInput, "shard-is-a-link" | "shard-in-hub-cache" | "shard-hard-linked"}) files
/// whose bytes others use under another name.
void refuse_shared_shard(const std::filesystem::path& shard);

}  // namespace contourfuse
