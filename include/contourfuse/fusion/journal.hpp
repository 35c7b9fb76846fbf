// What a run has done so far, so that another one can go on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/plan.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/publish.hpp"

namespace contourfuse {

/// Lies in the partial folder, and never in an output.
inline constexpr const char* kJournalName = "contourfuse.journal";

/// A shard of the output that is whole and, if the run is durable, on disk.
struct FinishedShard {
  std::string file{};
  ShardResult result{};
  std::vector<MatrixResult> matrices{};  ///< as the plan orders those of this shard
};

/// Everything that decides the bits of the shards: program, parameters, layers, and the files of
/// base and delta by size, inode and modification time.
[[nodiscard]] nlohmann::json journal_run(const FusePlan& plan);

/// The journal of a run that is under way. A line is "<XXH3-128 of the text> <JSON>"; the first one
/// is the run, each of the others a shard. Thread-safe.
class Journal {
 public:
  /// Makes the file and locks it.
  Journal(const std::filesystem::path& folder, const nlohmann::json& run, Durability durability);
  /// Goes on with one, after its first `bytes`.
  Journal(File file, std::uint64_t bytes, Durability durability);
  void add(const FinishedShard& shard);
  /// After this the folder cannot be gone on with.
  void remove();

 private:
  void append(const nlohmann::json& line);

  std::mutex mutex_{};
  File file_;
  std::uint64_t bytes_ = 0;
  Durability durability_;
};

struct JournalContents {
  nlohmann::json run{};
  std::vector<FinishedShard> shards{};  ///< of one file the last line
  std::uint64_t bytes = 0;              ///< of the whole lines
};

/// What is whole of a journal's text: lines after a damaged one do not count. Nothing if the first
/// one is damaged. Throws Error{kBadInput} for a line that is whole and makes no sense.
[[nodiscard]] std::optional<JournalContents> parse_journal(std::string_view text,
                                                           const std::string& file);

/// Which parts of two runs are not the same, in words for a person; empty if none.
[[nodiscard]] std::vector<std::string> run_differences(const nlohmann::json& theirs,
                                                       const nlohmann::json& ours);

}  // namespace contourfuse
