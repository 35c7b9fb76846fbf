// Bytes moved by the means of the fuser with nothing computed: the ceilings of the benches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/bulk_reader.hpp"

namespace contourfuse {

struct TrafficSettings {
  bool durable = true;  ///< ends with everything on disk
  ReadMethod read_method = ReadMethod::kPread;
  bool write_direct = false;  ///< past the page cache
};

/// Bytes of every regular file in a folder and below.
[[nodiscard]] std::uint64_t bytes_in(const std::filesystem::path& folder);

/// Copies a folder to a new one.
void copy_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                 const TrafficSettings& settings, const Execution& execution);
/// Reads every file of the folders.
void read_folders(const std::vector<std::filesystem::path>& folders,
                  const TrafficSettings& settings, const Execution& execution);
/// Writes a new folder with files of the names and sizes of another one.
void write_folder(const std::filesystem::path& like, const std::filesystem::path& to,
                  const TrafficSettings& settings, const Execution& execution);
/// Moves what a fuse of the plan moves, in its order, to a new folder: all of the base, stored
/// deltas, and a second time what is measured before it is edited.
void move_as_fuse(const FusePlan& plan, const std::filesystem::path& to,
                  const TrafficSettings& settings, const Execution& execution);
/// Bytes that it reads and writes.
[[nodiscard]] std::uint64_t bytes_moved_as_fuse(const FusePlan& plan);

}  // namespace contourfuse
