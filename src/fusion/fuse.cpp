// Running a plan: shards through a backend, side files, manifest, publish.
#include "contourfuse/fusion/fuse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "fusion/fuse_folder.hpp"
#include "fusion/plan_job.hpp"
#include "fusion/room.hpp"
#include "fusion/side_files.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

const FinishedShard* find_kept(const FuseFolder& folder, const Shard& shard) {
  const auto found = std::ranges::find(folder.kept, shard.file, &FinishedShard::file);
  return found == folder.kept.end() ? nullptr : &*found;
}

/// The part of a plan's job that its folder does not have yet, with the files to write.
class Rest {
 public:
  Rest(const FusePlan& plan, FuseFolder& folder)
      : plan_(plan), folder_(folder), owned_(make_job(plan)) {
    for (std::size_t i = 0; i < plan.base.shards.size(); ++i) {
      if (find_kept(folder, plan.base.shards[i]) == nullptr) shards_.push_back(i);
    }
    FuseJob& job = owned_.job;
    const std::vector<ShardJob> all = std::exchange(job.shards, {});
    targets_.reserve(shards_.size());
    for (const std::size_t shard : shards_) job.shards.push_back(with_target(shard, all[shard]));
    std::erase_if(job.matrices, [&](const MatrixJob& matrix) { return !find(matrix.shard); });
    for (MatrixJob& matrix : job.matrices) matrix.shard = *find(matrix.shard);
    job.on_shard = [this](std::size_t shard, const ShardResult& result,
                          std::span<const MatrixResult> matrices) {
      finish(shard, result, matrices);
    };
  }

  /// The results of the whole plan; bytes are those of this run.
  FuseResults run(Backend& backend, const Execution& execution) {
    FuseResults results = backend.run(owned_.job, execution);
    check_unchanged(plan_, owned_.sources);
    const std::vector<ShardResult> shards = std::exchange(results.shards, {});
    const std::vector<MatrixResult> matrices = std::exchange(results.matrices, {});
    auto next = matrices.begin();
    for (std::size_t i = 0; i < plan_.base.shards.size(); ++i) {
      if (const FinishedShard* kept = find_kept(folder_, plan_.base.shards[i])) {
        results.shards.push_back(kept->result);
        std::ranges::copy(kept->matrices, std::back_inserter(results.matrices));
        continue;
      }
      results.shards.push_back(shards[*find(i)]);
      for (; next != matrices.end() && plan_.matrices[results.matrices.size()].shard == i; ++next) {
        results.matrices.push_back(*next);
      }
    }
    return results;
  }
  /// Shards that are done and in the journal.
  [[nodiscard]] std::size_t finished() const noexcept { return finished_; }

 private:
  [[nodiscard]] std::optional<std::size_t> find(std::size_t shard_of_plan) const {
    const auto found = std::ranges::lower_bound(shards_, shard_of_plan);
    if (found == shards_.end() || *found != shard_of_plan) return std::nullopt;
    return static_cast<std::size_t>(found - shards_.begin());
  }

  ShardJob with_target(std::size_t shard, ShardJob job) {
    File& target =
        targets_.emplace_back(File::create(folder_.partial.path() / plan_.base.shards[shard].file));
    job.target = &target;
    job.copying = clone_or_choose(*job.source, target);
    if (job.copying != CopyMethod::kCloned) target.allocate(job.bytes);
    return job;
  }

  void finish(std::size_t index, const ShardResult& result,
              std::span<const MatrixResult> matrices) {
    if (owned_.job.durable) targets_[index].sync();
    folder_.journal->add({.file = plan_.base.shards[shards_[index]].file,
                          .result = result,
                          .matrices = {matrices.begin(), matrices.end()}});
    ++finished_;
  }

  const FusePlan& plan_;
  FuseFolder& folder_;
  OwnedJob owned_;
  std::vector<std::size_t> shards_{};  // of the plan
  std::vector<File> targets_{};
  std::atomic<std::size_t> finished_ = 0;
};

/// Lets what is done outlive a failed run where --resume can go on from it; whether it does.
bool keep_for_resume(FuseFolder& folder, std::size_t done) {
  std::error_code ignored;
  const bool can_go_on = done > 0 && fs::exists(folder.partial.path() / kJournalName, ignored);
  folder.partial.keep(can_go_on);
  return can_go_on;
}

/// The same, and says so. Bad input does not get better by going on.
[[noreturn]] void leave(const FusePlan& plan, FuseFolder& folder, std::size_t done,
                        const Error& error) {
  const bool is_bad_input = error.failure() != Failure::kFailed || error.kind() == kBaseChanged;
  if (!keep_for_resume(folder, is_bad_input ? 0 : done)) throw error;
  throw Error(
      error.failure(), error.kind(), error.message(), error.place(),
      fmt::format("{}{}{} of {} shards are done: the same command with --resume goes on",
                  error.hint(), error.hint().empty() ? "" : "; ", done, plan.base.shards.size()));
}

}  // namespace

void refuse_unstartable(const FusePlan& plan) {
  const FuseSettings& settings = plan.settings;
  if (settings.output.empty()) return;
  refuse_unusable_output(settings.output, settings.overwrite);
  require_room(plan, {}, settings.resume ? bytes_in_partials(settings.output) : 0,
               Failure::kBadInput);
}

FuseReport run_fuse(const FusePlan& plan, Backend& backend, const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  const bool durable = plan.settings.durability == Durability::kFull;
  FuseFolder folder = open_fuse_folder(plan, execution);
  PartialFolder& partial = folder.partial;
  Rest rest(plan, folder);
  FuseReport report;
  report.kept_shards = folder.kept.size();
  try {
    report.results = rest.run(backend, execution);
    const auto side_files = write_side_files(plan, partial.path(), durable, execution);
    if (durable) partial.sync_folders();
    write_text(partial.path() / kManifestName,
               manifest_text(make_manifest(plan, report, side_files)), durable);
    execution.check_cancelled();
    folder.journal->remove();
    partial.publish();
  } catch (const Error& error) {
    leave(plan, folder, report.kept_shards + rest.finished(), error);
  } catch (const std::bad_alloc&) {
    keep_for_resume(folder, report.kept_shards + rest.finished());
    throw;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

FuseResults recompute(const FusePlan& plan, Backend& backend, const Execution& execution) {
  OwnedJob owned = make_job(plan);
  FuseResults results = backend.run(owned.job, execution);
  check_unchanged(plan, owned.sources);
  return results;
}

}  // namespace contourfuse
