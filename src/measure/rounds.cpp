// Measuring by turns.
#include "contourfuse/measure/rounds.hpp"

#include <algorithm>
#include <chrono>

#include "contourfuse/measure/memory_peak.hpp"

namespace contourfuse {

std::vector<CaseTimes> alternate(const std::vector<TimedCase>& cases, std::size_t rounds,
                                 const Execution& execution) {
  std::vector<CaseTimes> times(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    execution.check_cancelled();
    cases[i].prepare();
    const MemoryPeak peak;
    cases[i].run();
    times[i].peak_anonymous_bytes = peak.bytes();
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      execution.check_cancelled();
      cases[i].prepare();
      const auto start = std::chrono::steady_clock::now();
      cases[i].run();
      times[i].seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  return times;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double times_of(const CaseTimes& measured, const CaseTimes& ceiling) {
  std::vector<double> ratios;
  const std::size_t rounds = std::min(measured.seconds.size(), ceiling.seconds.size());
  for (std::size_t i = 0; i < rounds; ++i) {
    ratios.push_back(measured.seconds[i] / ceiling.seconds[i]);
  }
  return median(std::move(ratios));
}

std::size_t fastest(const std::vector<CaseTimes>& times,
                    const std::vector<std::size_t>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(),
                           [&times](std::size_t a, std::size_t b) {
                             return median(times[a].seconds) < median(times[b].seconds);
                           });
}

}  // namespace contourfuse
