// What every subcommand shares: its common flags, and how it hands its work to main.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>

#include "contourfuse/core/execution.hpp"

namespace contourfuse {

/// The flags of every subcommand.
struct RunFlags {
  bool json = false;
  bool quiet = false;
  int threads = 0;  ///< 0: all
  std::string device = "auto";
  std::uint64_t pinned_mb = 512;  ///< host memory that a CUDA backend may lock, in MB
  std::string profile{};          ///< file for a trace of stages; empty: none
  std::uint64_t limit_rate = 0;   ///< bytes read and written a second; 0: no limit
};

/// What a parsed subcommand wants to do; returns the exit code. Called after parsing, so that what
/// it throws is no parse error.
using Action = std::function<int(const Execution&)>;

/// The program while it is being parsed; outlives every parser that refers to it.
struct Session {
  RunFlags flags{};
  Action action{};  ///< of the chosen subcommand, set by its callback
};

/// A new subcommand of `app` with the common flags and a footer of examples (one per line, without
/// the program's name).
CLI::App* add_command(CLI::App& app, Session& session, const std::string& name,
                      const std::string& description, std::initializer_list<const char*> examples);

/// --pinned-mb, for the commands that run a backend.
void add_pinned_flag(CLI::App& command, Session& session);

/// --limit-rate, for the commands that read or write whole checkpoints.
void add_limit_flag(CLI::App& command, Session& session);

// One file each; they add themselves to `app` and set `session.action` when chosen.
void add_neurons_command(CLI::App& app, Session& session);
void add_generate_command(CLI::App& app, Session& session);
void add_fuse_command(CLI::App& app, Session& session);
void add_undo_command(CLI::App& app, Session& session);
void add_verify_command(CLI::App& app, Session& session);
void add_inspect_command(CLI::App& app, Session& session);
void add_diff_command(CLI::App& app, Session& session);
void add_sweep_command(CLI::App& app, Session& session);
void add_synth_command(CLI::App& app, Session& session);
void add_bench_command(CLI::App& app, Session& session);
void add_devices_command(CLI::App& app, Session& session);
/// The two scripts' command lines.
void add_weights_command(CLI::App& app, Session& session);
void add_applyweights_command(CLI::App& app, Session& session);

}  // namespace contourfuse
