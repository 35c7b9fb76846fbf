// contourfuse undo
#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/fusion/undo.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

void print_undo_report(const UndoSettings& settings, const UndoReport& report) {
  const std::string model = visible(report.model);
  for (const std::string& name : report.restored) {
    print_text(fmt::format("{}: {}\n", visible(name),
                           report.dry_run ? "will get its old text" : "has its old text again"));
  }
  for (const std::string& name : report.removed) {
    print_text(fmt::format("{}: {}: it was not there before\n", visible(name),
                           report.dry_run ? "will be removed" : "removed"));
  }
  if (report.dry_run) {
    print_text(
        fmt::format("dry run: the undo file is sound and belongs to {}; {} of {} tensors would be "
                    "put back. Nothing was written.\n",
                    model, format_bytes(report.bytes), format_count(report.tensors)));
    return;
  }
  print_text(
      fmt::format("put back {}: {} of {} tensors in {}; it is as it was before the fuse\n"
                  "{} is no longer needed and can be removed\n",
                  model, format_bytes(report.bytes), format_count(report.tensors),
                  format_duration(report.seconds), visible(settings.undo.string())));
}

int run(const UndoSettings& settings, const RunFlags& flags, const Execution& execution) {
  const UndoReport report = undo(settings, execution);
  if (flags.json) {
    print_document(undo_document(settings, report));
  } else if (!flags.quiet) {
    print_undo_report(settings, report);
  }
  return 0;
}

}  // namespace

void add_undo_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(
      app, session, "undo", "Take a fuse in place back, bit for bit",
      {"undo model.undo", "undo model.undo --dry-run", "undo model.undo --model /mnt/moved/model"});
  const auto settings = std::make_shared<UndoSettings>();
  command->add_option("FILE", settings->undo, "What `fuse --in-place --undo FILE` wrote")
      ->required();
  command
      ->add_option("--model", settings->model,
                   "The model's folder, if it has moved (default: where it was fused)")
      ->type_name("FOLDER");
  command->add_flag("--dry-run", settings->dry_run, "Check everything, write nothing");

  add_limit_flag(*command, session);

  command->callback([&session, settings] {
    session.action = [&session, settings](const Execution& execution) {
      return run(*settings, session.flags, execution);
    };
  });
}

}  // namespace contourfuse
