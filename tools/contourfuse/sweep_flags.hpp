// The flags that say what is swept.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "contourfuse/sweep/settings.hpp"

namespace contourfuse {

struct SweepRequest {
  SweepSettings settings{};
  std::filesystem::path run{};  ///< the run's folder
  std::string evaluate{};       ///< command of a user; empty: none
  std::string points = "pareto";
};

/// The flags of `plan` and `run`; their values are in `request` once the command's callback runs.
void add_plan_flags(CLI::App& command, const std::shared_ptr<SweepRequest>& request);
/// --evaluate and --points.
void add_evaluate_flags(CLI::App& command, const std::shared_ptr<SweepRequest>& request);

}  // namespace contourfuse
