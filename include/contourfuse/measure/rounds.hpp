// Measuring by turns: what a case costs as a multiple of its ceiling, each pair from one round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"

namespace contourfuse {

/// What is done and timed once in every round.
struct TimedCase {
  std::string name{};
  std::uint64_t bytes = 0;          ///< read and written by one run
  std::function<void()> prepare{};  ///< before each run, not timed
  std::function<void()> run{};
};

/// Of one case.
struct CaseTimes {
  std::vector<double> seconds{};           ///< of every round
  std::uint64_t peak_anonymous_bytes = 0;  ///< of the run before the first round
};

/// Runs every case once untimed, which warms caches, then `rounds` times in turn.
[[nodiscard]] std::vector<CaseTimes> alternate(const std::vector<TimedCase>& cases,
                                               std::size_t rounds, const Execution& execution);

/// Of an even number of values, the mean of the middle two; 0 of none.
[[nodiscard]] double median(std::vector<double> values);

/// Median over the rounds of the case's seconds / the ceiling's of the same round.
[[nodiscard]] double times_of(const CaseTimes& measured, const CaseTimes& ceiling);

/// The fastest by its median; `candidates` are places in `times`, one or more.
[[nodiscard]] std::size_t fastest(const std::vector<CaseTimes>& times,
                                  const std::vector<std::size_t>& candidates);

}  // namespace contourfuse
