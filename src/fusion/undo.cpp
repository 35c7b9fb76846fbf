// Taking a fuse in place back.
#include "contourfuse/fusion/undo.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "fusion/held_model.hpp"
#include "fusion/put_back.hpp"
#include "fusion/undo_file.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

fs::path model_folder(const UndoSettings& settings, const UndoRecord& record) {
  fs::path folder = settings.model.empty() ? fs::path(record.model) : settings.model;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw Error(Failure::kBadInput, "model-not-found", "there is no such folder",
                {.file = folder.string()}, "name the model's folder with --model");
  }
  return folder;
}

HeldModel hold(const fs::path& folder, const UndoRecord& record) {
  std::vector<std::string> names;
  for (const UndoShard& shard : record.shards) names.push_back(shard.file);
  std::vector<bool> changing(names.size(), false);
  for (const UndoRange& range : record.ranges) changing[range.shard] = true;
  return {folder, names, changing};
}

}  // namespace

UndoReport undo(const UndoSettings& settings, const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  const File file = File::open(settings.undo);
  const UndoRecord record = read_undo_record(file);
  const fs::path folder = model_folder(settings, record);
  HeldModel model = hold(folder, record);
  check_model(model, record);
  check_originals(file, record, execution);
  if (!settings.dry_run) put_back(file, record, model, execution);

  UndoReport report{.model = folder.string(),
                    .command = record.command,
                    .tensors = record.ranges.size(),
                    .dry_run = settings.dry_run};
  for (const UndoRange& range : record.ranges) report.bytes += range.bytes;
  for (const UndoSideFile& side : record.files) {
    (side.existed ? report.restored : report.removed).push_back(side.name);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

nlohmann::ordered_json undo_document(const UndoSettings& settings, const UndoReport& report) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.undo.report/1";
  document["dry_run"] = report.dry_run;
  document["undo"] = settings.undo.string();
  document["model"] = report.model;
  document["command"] = report.command;
  document["tensors"] = report.tensors;
  document["bytes"] = report.bytes;
  document["restored"] = report.restored;
  document["removed"] = report.removed;
  document["seconds"] = report.seconds;
  return document;
}

}  // namespace contourfuse
