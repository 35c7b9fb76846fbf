// What `bench` measures: a command of this program, and the plain transfers that are its ceiling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "command.hpp"
#include "contourfuse/fusion/settings.hpp"
#include "contourfuse/measure/rounds.hpp"

namespace contourfuse {

struct BenchFlags {
  std::string what{};
  std::string model{};              ///< empty: a random one, made in the folder
  std::filesystem::path weights{};  ///< empty: generated in the folder
  std::filesystem::path folder = "contourfuse-bench";
  std::uint64_t size = std::uint64_t{1} << 30;  ///< bytes of a random model, about
  std::uint64_t rounds = 5;
  double pause = 1;   ///< seconds before each run: a disk is slower right after many writes
  bool cold = false;  ///< sources are dropped from the page cache before each run
  bool direct = false;
  ReadMethod read_method = ReadMethod::kAuto;
  Durability durability = Durability::kFull;
};

struct MeasuredCase {
  std::string name{};
  std::uint64_t bytes = 0;  ///< read and written by one run
  CaseTimes times{};
  bool ceiling = false;      ///< a plain transfer that could be the ceiling
  double times_ceiling = 0;  ///< as long as the ceiling's, median of the rounds
};

struct BenchResult {
  std::vector<MeasuredCase> cases{};
  std::size_t ceiling = 0;  ///< the fastest plain transfer
};

/// Words that `what` can be.
[[nodiscard]] const std::vector<std::string>& bench_names();

/// Makes what is missing of model, delta and output in the folder, and measures. Model and delta
/// stay for the next time.
[[nodiscard]] BenchResult run_bench(const BenchFlags& flags, const RunFlags& run,
                                    const Execution& execution);

}  // namespace contourfuse
