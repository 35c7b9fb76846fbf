// Starting a fuse, or going on with one.
#include "fusion/fuse_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/folders.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "fusion/room.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kHashBytes = std::uint64_t{1} << 20;

struct Unfinished {
  PartialFolder partial;
  File journal{};
  JournalContents contents{};
};

FuseFolder start(const FusePlan& plan) {
  const FuseSettings& settings = plan.settings;
  refuse_unusable_output(settings.output, settings.overwrite);
  require_room(plan, {}, 0, Failure::kFailed);
  PartialFolder partial(settings.output, settings.overwrite, settings.durability);
  auto journal = std::make_unique<Journal>(partial.path(), journal_run(plan), settings.durability);
  return {.partial = std::move(partial), .journal = std::move(journal)};
}

/// Nothing for a folder without a journal, or with one that never got its first line: a run that
/// had just begun, or one of another command.
std::optional<Unfinished> read_unfinished(PartialFolder& partial) {
  const fs::path path = partial.path() / kJournalName;
  std::error_code ignored;
  if (!fs::is_regular_file(fs::symlink_status(path, ignored))) return std::nullopt;
  File file = File::open_to_change(path);
  // The folder's lock does not reach another node of a cluster; a file's may.
  if (!file.try_lock()) {
    throw Error(Failure::kFailed, "output-in-progress", "another run is writing this output",
                {.file = partial.path().string()}, "wait until it has ended");
  }
  auto contents = parse_journal(read_text(path, kMaxJsonBytes), path.string());
  if (!contents) return std::nullopt;
  return Unfinished{std::move(partial), std::move(file), std::move(*contents)};
}

bool is_whole(const fs::path& path, const FinishedShard& shard, std::uint64_t bytes,
              const Execution& execution) {
  std::error_code ignored;
  if (!fs::is_regular_file(fs::symlink_status(path, ignored))) return false;
  const File file = File::open(path);
  if (file.size() != bytes) return false;
  std::vector<std::byte> buffer(std::min(bytes, kHashBytes));
  Hash128 hash;
  for (std::uint64_t done = 0; done < bytes;) {
    const std::span piece(buffer.data(), std::min(bytes - done, kHashBytes));
    execution.pace(piece.size());
    file.read(done, piece);
    hash.update(piece);
    done += piece.size();
    execution.advance(piece.size());
    execution.check_cancelled();
  }
  return hash.hex() == shard.result.target_hash;
}

/// The shards of the journal that the plan has and whose files are as the journal says.
std::vector<FinishedShard> whole_shards(const FusePlan& plan, const Unfinished& unfinished,
                                        const Execution& execution) {
  std::vector<std::pair<const FinishedShard*, std::uint64_t>> listed;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < plan.base.shards.size(); ++i) {
    const Shard& shard = plan.base.shards[i];
    const auto found =
        std::ranges::find(unfinished.contents.shards, shard.file, &FinishedShard::file);
    if (found == unfinished.contents.shards.end()) continue;
    const auto matrices = std::ranges::count(plan.matrices, i, &PlannedMatrix::shard);
    if (std::ssize(found->matrices) != matrices) continue;
    listed.emplace_back(&*found, shard.header.file_bytes());
    total += shard.header.file_bytes();
  }
  std::vector<FinishedShard> whole;
  execution.begin("check", total);
  for (const auto& [shard, bytes] : listed) {
    const fs::path path = unfinished.partial.path() / shard->file;
    if (!is_whole(path, *shard, bytes, execution)) continue;
    // The run that wrote it may not have been a durable one.
    if (plan.settings.durability == Durability::kFull) File::open(path).sync();
    whole.push_back(*shard);
  }
  execution.end();
  return whole;
}

void remove_all_but(const PartialFolder& partial, const std::vector<FinishedShard>& kept) {
  for (const fs::path& entry : list_folder(partial.path())) {
    const std::string name = entry.filename().string();
    if (name == kJournalName) continue;
    if (std::ranges::find(kept, name, &FinishedShard::file) != kept.end()) continue;
    remove_tree(entry);
  }
}

FuseFolder go_on(const FusePlan& plan, Unfinished unfinished, const Execution& execution) {
  std::vector<FinishedShard> kept = whole_shards(plan, unfinished, execution);
  remove_all_but(unfinished.partial, kept);
  require_room(plan, kept, 0, Failure::kFailed);
  auto journal = std::make_unique<Journal>(std::move(unfinished.journal), unfinished.contents.bytes,
                                           plan.settings.durability);
  return {std::move(unfinished.partial), std::move(journal), std::move(kept)};
}

[[noreturn]] void refuse_other_runs(const std::vector<Unfinished>& others,
                                    const nlohmann::json& run) {
  const Unfinished& other = others.front();
  throw Error(Failure::kBadInput, "resume-differs",
              fmt::format("the unfinished run had {}",
                          fmt::join(run_differences(other.contents.run, run), "; ")),
              {.file = other.partial.path().string()},
              "give what that run was given, or remove this folder to start from the beginning");
}

}  // namespace

FuseFolder open_fuse_folder(const FusePlan& plan, const Execution& execution) {
  const FuseSettings& settings = plan.settings;
  if (!settings.resume) return start(plan);
  const nlohmann::json run = journal_run(plan);
  std::vector<Unfinished> others;
  std::optional<Unfinished> best;
  for (PartialFolder& partial :
       PartialFolder::adopt(settings.output, settings.overwrite, settings.durability)) {
    std::optional<Unfinished> unfinished = read_unfinished(partial);
    if (!unfinished) {
      partial.keep(false);
    } else if (!run_differences(unfinished->contents.run, run).empty()) {
      others.push_back(std::move(*unfinished));
    } else if (!best || unfinished->contents.shards.size() > best->contents.shards.size()) {
      if (best) best->partial.keep(false);
      best.emplace(std::move(*unfinished));
    } else {
      unfinished->partial.keep(false);
    }
  }
  if (best) return go_on(plan, std::move(*best), execution);
  if (!others.empty()) refuse_other_runs(others, run);
  return start(plan);
}

}  // namespace contourfuse
