// Taking a fuse in place back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"

namespace contourfuse {

struct UndoSettings {
  std::filesystem::path undo{};   ///< what fuse --in-place --undo wrote
  std::filesystem::path model{};  ///< empty: the folder that the undo file names
  bool dry_run = false;           ///< check everything, write nothing
};

struct UndoReport {
  std::string model{};
  std::vector<std::string> command{};   ///< of the fuse
  std::uint64_t tensors = 0;            ///< put back
  std::uint64_t bytes = 0;              ///< of them
  std::vector<std::string> restored{};  ///< files beside the shards that got their old text
  std::vector<std::string> removed{};   ///< those that were not there before the fuse
  bool dry_run = false;
  double seconds = 0;
};

/// Puts the original bytes back, bit for bit, and waits until they are on disk. Before the first
/// byte is written, every checksum of the undo file is verified, and that the shards are the ones
/// it was made for. Can be done again at any time; the undo file stays.
UndoReport undo(const UndoSettings& settings, const Execution& execution);

/// The document of `undo --json`.
[[nodiscard]] nlohmann::ordered_json undo_document(const UndoSettings& settings,
                                                   const UndoReport& report);

}  // namespace contourfuse
