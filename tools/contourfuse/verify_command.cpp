// contourfuse verify
#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/verify.hpp"
#include "contourfuse/report/table.hpp"
#include "devices.hpp"

namespace contourfuse {
namespace {

/// Longest list of problems that is shown whole.
constexpr std::size_t kProblemLimit = 50;

/// A mismatch as the failure that it is: the first problem says where.
Error mismatch(const VerifySettings& settings, const VerifyReport& report) {
  const VerifyProblem& first = report.problems.front();
  const std::size_t others = report.problems.size() - 1;
  return {Failure::kFailed,
          "verify-mismatch",
          others == 0 ? first.message
                      : fmt::format("{} (and {} more problem{} in {})", first.message, others,
                                    others == 1 ? "" : "s", settings.output.string()),
          {first.file, first.tensor, std::nullopt}};
}

nlohmann::ordered_json verify_document(const VerifySettings& settings, const VerifyReport& report) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.verify/1";
  document["output"] = settings.output.string();
  document["ok"] = report.ok();
  document["files"] = report.files;
  document["tensors"] = report.tensors;
  document["bytes"] = report.bytes;
  document["checks"] = report.checks;
  document["problems"] = nlohmann::ordered_json::array();
  for (const VerifyProblem& problem : report.problems) {
    document["problems"].push_back(
        {{"file", problem.file},
         {"tensor", problem.tensor.empty() ? nlohmann::ordered_json(nullptr)
                                           : nlohmann::ordered_json(problem.tensor)},
         {"message", problem.message}});
  }
  document["seconds"] = report.seconds;
  if (!report.ok()) document["error"] = failure_document(mismatch(settings, report));
  return document;
}

void print_verify_report(const VerifySettings& settings, const VerifyReport& report) {
  for (const std::string& check : report.checks) print_text("checked: " + visible(check) + '\n');
  std::vector<std::string> problems;
  for (const VerifyProblem& problem : report.problems) {
    std::string line = problem.file;
    if (!problem.tensor.empty()) line += ": " + problem.tensor;
    problems.push_back(line + ": " + problem.message);
  }
  print_list("problems", problems, kProblemLimit);
  print_text(fmt::format(
      "{}: {}: {} files, {} tensors, {} in {}\n", report.ok() ? "verified" : "NOT verified",
      visible(settings.output.string()), format_count(report.files), format_count(report.tensors),
      format_bytes(report.bytes), format_duration(report.seconds)));
}

int run(const VerifySettings& settings, const RunFlags& flags, const Execution& execution) {
  // Only a second run computes; the rest is reading and hashing.
  const auto backend = settings.recompute ? make_backend(flags) : make_cpu_backend();
  const VerifyReport report = verify(settings, *backend, execution);
  if (flags.json) {
    print_document(verify_document(settings, report));
  } else if (!flags.quiet) {
    print_verify_report(settings, report);
  }
  if (report.ok()) return 0;
  print_failure(mismatch(settings, report));
  return static_cast<int>(Failure::kFailed);
}

}  // namespace

void add_verify_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(app, session, "verify",
                                  "Check a fused checkpoint against its manifest, base and delta",
                                  {"verify fused", "verify fused --base google/gemma-4-31B-it",
                                   "verify fused --base base --weights delta --recompute"});
  const auto settings = std::make_shared<VerifySettings>();
  command->add_option("OUTPUT", settings->output, "The fused checkpoint")->required();
  command
      ->add_option("--base", settings->base,
                   "The base it was made from: also compare every tensor that was not edited")
      ->type_name("MODEL");
  command->add_option("--weights", settings->weights, "The delta it was made with")
      ->type_name("DELTA");
  command->add_flag("--recompute", settings->recompute,
                    "Compute every edited tensor again; needs --base and --weights");

  add_pinned_flag(*command, session);
  add_limit_flag(*command, session);

  command->callback([&session, settings] {
    if (settings->recompute && (!settings->base || !settings->weights)) {
      throw CLI::RequiredError("--recompute: --base and --weights");
    }
    session.action = [&session, settings](const Execution& execution) {
      return run(*settings, session.flags, execution);
    };
  });
}

}  // namespace contourfuse
