// The program: parse, run the chosen subcommand, and turn what it throws into an exit code.
#include <tbb/global_control.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "devices.hpp"
#include "interrupts.hpp"
#include "process_limits.hpp"
#include "terminal_progress.hpp"

namespace contourfuse {
namespace {

/// The words after the program's name. Called by the name of one of the two scripts, with or
/// without ".py", the program acts as that command.
std::vector<std::string> command_words(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  std::filesystem::path called = argc > 0 ? argv[0] : "";
  if (called.extension() == ".py") called.replace_extension();
  const std::string name = called.filename().string();
  if (name == "weights" || name == "applyweights") words.insert(words.begin(), name);
  return words;
}

int fail(const Error& error, bool json) {
  print_failure(error);
  if (json) print_document({{"error", failure_document(error)}});
  std::fflush(stdout);
  return static_cast<int>(error.failure());
}

/// What neither this program nor the standard library has a word for. TBB tells by the text alone
/// that the system refuses it a thread.
Error unexpected(const std::exception& error) {
  const std::string_view text = error.what();
  if (dynamic_cast<const std::system_error*>(&error) != nullptr || text.starts_with("pthread_")) {
    return {Failure::kFailed,
            "system-refused",
            std::string(text),
            {},
            "the system may allow this process no more threads or memory (ulimit -u, -v); "
            "--threads takes fewer"};
  }
  return {Failure::kFailed,
          "internal",
          std::string(text),
          {},
          "this is a defect of contourfuse; please report it with the command line"};
}

/// Help and version go to standard output and end with 0; everything else is a usage error.
int finish_parse(const CLI::App& app, const CLI::ParseError& stop, bool json) {
  if (stop.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(stop);
  }
  std::string help = "contourfuse ";
  for (const CLI::App* command : app.get_subcommands()) help += command->get_name() + ' ';
  help += "--help";
  return fail(Error(Failure::kUsage, "usage", stop.what(), {}, "see " + help), json);
}

int parse_and_run(std::vector<std::string> words, bool json) {
  CLI::App app("Shape-Contoured Fusion of language model checkpoints, bit for bit.", "contourfuse");
  app.require_subcommand(1);
  app.set_help_flag("--help,-h", "Show this help");
  app.set_version_flag("--version", "contourfuse " CONTOURFUSE_VERSION);
  app.footer(
      "contourfuse COMMAND --help shows a command's flags and examples.\n"
      "Exit codes: 0 done, 1 the work failed, 2 usage, 3 bad input, 75 not complete yet.");

  Session session;
  add_neurons_command(app, session);
  add_generate_command(app, session);
  add_fuse_command(app, session);
  add_undo_command(app, session);
  add_verify_command(app, session);
  add_inspect_command(app, session);
  add_diff_command(app, session);
  add_sweep_command(app, session);
  add_synth_command(app, session);
  add_bench_command(app, session);
  add_devices_command(app, session);
  add_weights_command(app, session);
  add_applyweights_command(app, session);

  std::reverse(words.begin(), words.end());  // CLI11 takes words from the back
  try {
    app.parse(words);
  } catch (const CLI::ParseError& stop) {
    return finish_parse(app, stop, json);
  }

  require_device(session.flags.device);
  TerminalProgress progress;
  Execution execution;
  execution.threads = session.flags.threads;
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(execution.thread_count()));
  execution.cancellation = &cancel_on_signals();
  if (!session.flags.quiet && stderr_is_terminal()) execution.progress = &progress;
  Trace trace;
  if (!session.flags.profile.empty()) execution.trace = &trace;
  RateLimit rate(session.flags.limit_rate);
  if (session.flags.limit_rate > 0) execution.rate = &rate;
  const int code = session.action(execution);
  if (execution.trace != nullptr) write_text(session.flags.profile, trace.json(), false);
  finish_output();
  return code;
}

int run(int argc, char** argv) {
  bool json = false;
  try {
    std::vector<std::string> words = command_words(argc, argv);
    json = std::find(words.begin(), words.end(), "--json") != words.end();
    return parse_and_run(std::move(words), json);
  } catch (const Error& error) {
    return fail(error, json);
  } catch (const std::bad_alloc&) {
    return fail(
        Error(Failure::kFailed, "out-of-memory", "not enough memory", {},
              "give fewer --threads; a fuse goes on from its finished shards with --resume"),
        json);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(Error(Failure::kFailed, "io-error", error.code().message(),
                      {.file = error.path1().string()}),
                json);
  } catch (const std::exception& error) {
    return fail(unexpected(error), json);
  }
}

}  // namespace
}  // namespace contourfuse

int main(int argc, char** argv) {
  contourfuse::raise_descriptor_limit();
  contourfuse::reserve_memory();
  contourfuse::leave(contourfuse::run(argc, argv));
}
