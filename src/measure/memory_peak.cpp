// The most anonymous memory that this process holds while something runs.
#include "contourfuse/measure/memory_peak.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>

namespace contourfuse {
namespace {

constexpr std::chrono::milliseconds kInterval{5};
constexpr std::uint64_t kKib = 1024;

}  // namespace

std::uint64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  constexpr std::string_view kField = "RssAnon:";
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kField)) continue;
    const std::size_t digits = line.find_first_not_of(" \t", kField.size());
    if (digits == std::string::npos) return 0;
    std::uint64_t kib = 0;
    std::from_chars(line.data() + digits, line.data() + line.size(), kib);
    return kib * kKib;
  }
  return 0;
}

MemoryPeak::MemoryPeak()
    : peak_(anonymous_bytes()), sampler_([this](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        while (!stop.stop_requested()) {
          sample();
          wake.wait_for(lock, stop, kInterval, [] { return false; });
        }
      }) {}

void MemoryPeak::sample() { peak_ = std::max(peak_.load(), anonymous_bytes()); }

}  // namespace contourfuse
