// Fusing in place: the undo file first, then the model's own bytes.
#include "contourfuse/fusion/in_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/journal.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/model_card.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/publish.hpp"
#include "fusion/held_model.hpp"
#include "fusion/listed_files.hpp"
#include "fusion/plan_job.hpp"
#include "fusion/put_back.hpp"
#include "fusion/side_files.hpp"
#include "fusion/undo_file.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

/// Calls refuse_overlap and says what it refuses in other words.
void refuse_inside(const fs::path& inner, const fs::path& outer, const char* kind,
                   const char* message) {
  try {
    refuse_overlap(inner, outer);
  } catch (const Error& error) {
    if (error.kind() != "output-overlaps-input") throw;
    throw Error(Failure::kBadInput, kind, message, error.place(), "choose another place for it");
  }
}

bool name_is_taken(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

std::vector<bool> changing_shards(const FusePlan& plan) {
  std::vector<bool> changing(plan.base.shards.size(), false);
  for (const PlannedMatrix& matrix : plan.matrices) changing[matrix.shard] = true;
  return changing;
}

std::vector<std::string> shard_names(const FusePlan& plan) {
  std::vector<std::string> names;
  for (const Shard& shard : plan.base.shards) names.push_back(shard.file);
  return names;
}

/// Only the rows that the delta reaches.
std::uint64_t changing_bytes(const PlannedMatrix& matrix) {
  if (matrix.covered_shape[1] == 0) return 0;
  return matrix.covered_shape[0] * matrix.view.cols * editable_bytes(matrix.view.dtype);
}

/// What decides the result, but for the base's times: they change with the base.
Json describe_run(const FusePlan& plan) {
  Json run = journal_run(plan);
  run.erase("base");
  return run;
}

UndoSideFile describe_side_file(const fs::path& folder, const char* name) {
  UndoSideFile file{.name = name, .existed = name_is_taken(folder / name)};
  if (file.existed) file.bytes = File::open(folder / name).size();
  return file;
}

/// All but the hashes.
UndoRecord describe_undo(const FusePlan& plan) {
  UndoRecord record;
  record.model = listed_name(fs::canonical(plan.base.folder));
  // As they stand in a manifest.
  record.command =
      Json::parse(Json(plan.settings.command).dump(-1, ' ', false, Json::error_handler_t::replace))
          .get<std::vector<std::string>>();
  record.run = describe_run(plan);
  for (const Shard& shard : plan.base.shards) {
    record.shards.push_back({.file = shard.file,
                             .bytes = shard.header.file_bytes(),
                             .header_bytes = shard.header.data_begin()});
  }
  for (const PlannedMatrix& matrix : plan.matrices) {
    const std::uint64_t bytes = changing_bytes(matrix);
    if (bytes == 0) continue;
    record.ranges.push_back({.tensor = matrix.view.tensor,
                             .dtype = matrix.view.dtype,
                             .shape = {matrix.covered_shape[0], matrix.view.cols},
                             .shard = matrix.shard,
                             .offset = matrix.view.file_offset,
                             .bytes = bytes});
  }
  if (record.ranges.empty()) {
    throw Error(Failure::kBadInput, "nothing-to-fuse", "the delta covers no element",
                {.file = plan.settings.weights.string()});
  }
  if (plan.settings.model_card) {
    record.files.push_back(describe_side_file(plan.base.folder, kModelCardName));
  }
  record.files.push_back(describe_side_file(plan.base.folder, kManifestName));
  return record;
}

[[noreturn]] void refuse_other(const fs::path& undo, const std::string& what) {
  throw Error(Failure::kBadInput, "undo-differs",
              fmt::format("the undo file is there already, and {}", what), {.file = undo.string()},
              "choose another undo file; or run `contourfuse undo` with this one, remove it, and "
              "fuse again");
}

/// Whether an undo file that was found is that of the run that is wanted.
void check_same_run(const fs::path& undo, const UndoRecord& found, const UndoRecord& wanted) {
  if (found.model != wanted.model) {
    refuse_other(undo, fmt::format("it is of the model {}", found.model));
  }
  const std::vector<std::string> differences = run_differences(found.run, wanted.run);
  if (!differences.empty()) {
    refuse_other(undo, fmt::format("the fuse it is of had {}", fmt::join(differences, "; ")));
  }
  const auto same_range = [](const UndoRange& a, const UndoRange& b) {
    return a.tensor == b.tensor && a.dtype == b.dtype && a.shape == b.shape && a.shard == b.shard &&
           a.offset == b.offset && a.bytes == b.bytes;
  };
  const auto same_shard = [](const UndoShard& a, const UndoShard& b) {
    return a.file == b.file && a.bytes == b.bytes && a.header_bytes == b.header_bytes;
  };
  const auto same_file = [](const UndoSideFile& a, const UndoSideFile& b) {
    return a.name == b.name;
  };
  if (!std::ranges::equal(found.ranges, wanted.ranges, same_range) ||
      !std::ranges::equal(found.shards, wanted.shards, same_shard) ||
      !std::ranges::equal(found.files, wanted.files, same_file)) {
    refuse_other(undo, "it has other tensors or shards");
  }
}

[[noreturn]] void throw_with_hint(const Error& error, const std::string& more) {
  throw Error(error.failure(), error.kind(), error.message(), error.place(),
              error.hint().empty() ? more : error.hint() + "; " + more);
}

std::string unfinished(const InPlace& how) {
  return fmt::format(
      "the model is edited in part: `contourfuse undo {}` puts it back, the same "
      "command again finishes it",
      how.undo.string());
}

/// One run, from the lock on.
class InPlaceRun {
 public:
  InPlaceRun(const FusePlan& plan, const InPlace& how, const Execution& execution)
      : plan_(plan),
        how_(how),
        execution_(execution),
        model_(plan.base.folder, shard_names(plan), changing_shards(plan)),
        owned_(make_job(plan)) {
    check_unchanged(plan_, owned_.sources);
    record_ = describe_undo(plan_);
  }

  /// Leaves the model as it was before any fuse with this undo file, and that undo file whole.
  void secure() {
    if (name_is_taken(how_.undo)) {
      undo_.emplace(File::open(how_.undo));
      UndoRecord found = read_undo_record(*undo_);
      check_same_run(how_.undo, found, record_);
      record_ = std::move(found);
      check_model(model_, record_);
      check_originals(*undo_, record_, execution_);
      try {
        put_back(*undo_, record_, model_, execution_);
      } catch (const Error& error) {
        throw_with_hint(error, unfinished(how_));
      }
      return;
    }
    for (std::size_t i = 0; i < record_.shards.size(); ++i) {
      record_.shards[i].outside_hash = outside_hash(owned_.sources[i], record_, i);
    }
    write_undo_file(how_.undo, record_, model_, execution_);
    undo_.emplace(File::open(how_.undo));
    check_unchanged(plan_, owned_.sources);
  }

  FuseReport edit(Backend& backend) {
    const bool durable = plan_.settings.durability == Durability::kFull;
    for (std::size_t i = 0; i < owned_.job.shards.size(); ++i) {
      if (!model_.is_changing(i)) continue;
      owned_.job.shards[i].target = &model_[i];
      owned_.job.shards[i].copying = CopyMethod::kCloned;
    }
    model_.remove_strays();
    mark_unfinished(model_.folder(), how_.undo, record_);
    FuseReport report;
    report.results = backend.run(owned_.job, execution_);
    report.results.bytes_cloned = 0;  // what is not edited was there before
    if (durable) model_.sync();
    const std::vector<ListedFile> files = list_side_files(durable);
    write_text(plan_.base.folder / kManifestName,
               manifest_text(make_manifest(plan_, report, files)), durable);
    unmark_unfinished(model_.folder(), durable);
    return report;
  }

  /// After a failure that the undo file can mend.
  void mend() {
    const Execution undisturbed{.threads = execution_.threads};
    put_back(*undo_, record_, model_, undisturbed);
    // It may stay: the same command again takes it for its own.
    std::error_code ignored;
    fs::remove(how_.undo, ignored);
  }

 private:
  std::vector<ListedFile> list_side_files(bool durable) const {
    std::vector<ListedFile> files;
    // Not the plan's: what a killed run left is gone by now.
    const Checkpoint now = open_checkpoint(plan_.base.folder.string());
    for (const fs::path& file : now.side_files) {
      execution_.check_cancelled();
      if (file == kUnfinishedName) continue;
      if (plan_.settings.model_card && file == kModelCardName) continue;
      const fs::path path = plan_.base.folder / file;
      files.push_back({file.generic_string(), File::open(path).size(), hash_file(path)});
    }
    if (plan_.settings.model_card) {
      files.push_back(write_card(plan_, plan_.base.folder / kModelCardName, durable));
    }
    std::ranges::sort(files, {}, &ListedFile::name);
    return files;
  }

  const FusePlan& plan_;
  const InPlace& how_;
  const Execution& execution_;
  HeldModel model_;
  OwnedJob owned_;
  UndoRecord record_{};
  std::optional<File> undo_{};
};

/// The storage may not take a repair, and a signal wants an end soon.
bool is_mendable(const Error& error) {
  return error.kind() != "interrupted" && !error.kind().starts_with("io-");
}

FuseReport edit_or_mend(InPlaceRun& run, const InPlace& how, Backend& backend) {
  const auto mended = [&run] {
    try {
      run.mend();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  try {
    return run.edit(backend);
  } catch (const Error& error) {
    throw_with_hint(error, is_mendable(error) && mended() ? "the model was put back as it was"
                                                          : unfinished(how));
  } catch (const std::exception&) {
    static_cast<void>(mended());
    throw;
  }
}

}  // namespace

void refuse_in_place(const FusePlan& plan, const InPlace& how) {
  const fs::path& folder = plan.base.folder;
  refuse_inside(how.undo, folder, "undo-in-input",
                "the undo file must not lie in the model's folder");
  refuse_inside(how.undo, plan.settings.weights, "undo-in-input",
                "the undo file must not lie in the delta's folder");
  refuse_inside(plan.settings.weights, folder, "delta-in-model",
                "the delta must not lie in the folder of the model that it changes");
  std::error_code ignored;
  const fs::path parent = fs::absolute(how.undo, ignored).parent_path();
  if (!fs::is_directory(parent, ignored)) {
    throw Error(Failure::kBadInput, "undo-parent-missing",
                "the folder that the undo file is to stand in does not exist",
                {.file = parent.string()}, "make it first, or choose another place");
  }
  if (how.force) return;
  const std::vector<bool> changing = changing_shards(plan);
  for (std::size_t i = 0; i < changing.size(); ++i) {
    if (changing[i]) refuse_shared_shard(folder / plan.base.shards[i].file);
  }
}

void refuse_unstartable(const FusePlan& plan, const InPlace& how) {
  refuse_in_place(plan, how);
  if (name_is_taken(how.undo)) return;
  UndoRecord record = describe_undo(plan);
  require_undo_space(how.undo, record, Failure::kBadInput);
}

std::uint64_t in_place_bytes(const FusePlan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedMatrix& matrix : plan.matrices) bytes += changing_bytes(matrix);
  return bytes;
}

FuseReport run_fuse_in_place(const FusePlan& plan, const InPlace& how, Backend& backend,
                             const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  refuse_in_place(plan, how);
  InPlaceRun run(plan, how, execution);
  run.secure();
  FuseReport report = edit_or_mend(run, how, backend);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

nlohmann::ordered_json in_place_document(const FusePlan& plan, const FuseReport& report,
                                         const InPlace& how) {
  nlohmann::ordered_json document = fuse_document(plan, report);
  document["output"] = plan.base.folder.string();
  if (report.dry_run) {
    std::uint64_t bytes = 0;
    for (const PlannedMatrix& matrix : plan.matrices) bytes += written_bytes(matrix);
    document["bytes"]["written"] = bytes;
  }
  document["in_place"] = true;
  document["undo"] = how.undo.string();
  return document;
}

}  // namespace contourfuse
