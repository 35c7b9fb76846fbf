// Progress on a terminal: one line that is drawn over.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "contourfuse/core/progress.hpp"

namespace contourfuse {

/// Stage, per cent, rate and time left, on standard error, at most ten times a second.
class TerminalProgress final : public Progress {
 public:
  TerminalProgress() = default;
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  /// Clears the line, also when the work was cut off.
  ~TerminalProgress() override;
  void begin(std::string_view stage, std::uint64_t total_bytes) override;
  void advance(std::uint64_t bytes) override;
  void end() override;

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);
  void clear();

  std::mutex mutex_;  ///< guards all but the two atomics
  std::string stage_{};
  std::uint64_t total_ = 0;
  Clock::time_point started_{};
  bool drawn_ = false;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<Clock::rep> next_draw_{0};  ///< since the clock's epoch
};

/// True if standard error is a terminal that understands control sequences.
[[nodiscard]] bool stderr_is_terminal();

}  // namespace contourfuse
