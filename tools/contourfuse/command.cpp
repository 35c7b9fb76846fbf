// The common flags.
#include "command.hpp"

#include "devices.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

/// More threads than any machine has processors; beyond it a number is a slip of the finger.
constexpr std::uint64_t kMaxThreads = 4096;
/// 1 TB: more than any transfer can use.
constexpr std::uint64_t kMinPinnedMb = 1;
constexpr std::uint64_t kMaxPinnedMb = 1'000'000;

std::string examples_text(const std::initializer_list<const char*>& examples) {
  std::string text = "Examples:\n";
  for (const char* example : examples) text += std::string("  contourfuse ") + example + '\n';
  text.pop_back();
  return text;
}

}  // namespace

CLI::App* add_command(CLI::App& app, Session& session, const std::string& name,
                      const std::string& description, std::initializer_list<const char*> examples) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer(examples_text(examples));
  command->set_help_flag("--help,-h", "Show this help");
  command->set_version_flag("--version", "contourfuse " CONTOURFUSE_VERSION);

  RunFlags& flags = session.flags;
  command->add_flag("--json", flags.json, "Print one JSON document on standard output")
      ->group("Common");
  command->add_flag("--quiet", flags.quiet, "No progress and no summary, only errors")
      ->group("Common");
  add_whole_number(
      *command, "--threads", [&flags](std::uint64_t n) { flags.threads = static_cast<int>(n); },
      "Threads to use (default: every processor this process may use)", 1, kMaxThreads)
      ->group("Common");
  command->add_option("--device", flags.device, "auto, cpu, cuda, or cuda:0,2 (default: auto)")
      ->type_name("DEVICE")
      ->check(device_syntax)
      ->group("Common");
  command
      ->add_option("--profile", flags.profile,
                   "Write a timeline of the stages (Chrome trace events, for Perfetto)")
      ->type_name("FILE")
      ->group("Common");
  return command;
}

void add_pinned_flag(CLI::App& command, Session& session) {
  add_whole_number(
      command, "--pinned-mb",
      [&flags = session.flags](std::uint64_t megabytes) { flags.pinned_mb = megabytes; },
      "Host memory that CUDA devices may lock for their transfers, in MB (default: 512)",
      kMinPinnedMb, kMaxPinnedMb)
      ->group("Common");
}

void add_limit_flag(CLI::App& command, Session& session) {
  command
      .add_option_function<std::string>(
          "--limit-rate",
          [&flags = session.flags](const std::string& text) {
            flags.limit_rate = parse_size("--limit-rate", text);
          },
          "Bytes read and written a second at most, such as 500MB, for storage that others share "
          "(default: no limit)")
      ->type_name("SIZE")
      ->group("Common");
}

}  // namespace contourfuse
