// The most anonymous memory that this process holds while something runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace contourfuse {

/// Resident anonymous memory of this process, in bytes; 0 where /proc does not tell.
[[nodiscard]] std::uint64_t anonymous_bytes();

/// Samples it every few milliseconds for as long as it lives: what comes and goes in between is
/// missed. What was held before counts too.
class MemoryPeak {
 public:
  MemoryPeak();
  MemoryPeak(const MemoryPeak&) = delete;
  MemoryPeak& operator=(const MemoryPeak&) = delete;
  ~MemoryPeak() = default;
  [[nodiscard]] std::uint64_t bytes() const noexcept { return peak_; }

 private:
  void sample();

  std::atomic<std::uint64_t> peak_{0};
  std::jthread sampler_;  // last: it uses what stands above
};

}  // namespace contourfuse
