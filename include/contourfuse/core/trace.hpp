// Who did what when: stages of work by thread, as a profiler's timeline.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace contourfuse {

/// Collects stages from any thread. Times are of the steady clock, from construction on.
class Trace {
 public:
  using Clock = std::chrono::steady_clock;

  /// `name` must outlive the trace, as a literal does.
  void add(const char* name, Clock::time_point begin, Clock::time_point end, std::uint64_t bytes);

  /// Chrome's trace-event format (a JSON object with "traceEvents"), which Perfetto opens: one
  /// complete event a stage in microseconds, one row a thread in order of its first stage.
  [[nodiscard]] std::string json() const;

 private:
  struct Stage {
    const char* name = nullptr;
    std::size_t row = 0;
    Clock::time_point begin{};
    Clock::time_point end{};
    std::uint64_t bytes = 0;
  };
  const Clock::time_point start_ = Clock::now();
  mutable std::mutex mutex_{};
  std::vector<std::thread::id> rows_{};
  std::vector<Stage> stages_{};
};

/// One stage, from construction to destruction; nothing without a trace.
class TracedStage {
 public:
  TracedStage(Trace* trace, const char* name, std::uint64_t bytes)
      : trace_(trace), name_(name), bytes_(bytes) {
    if (trace_ != nullptr) begin_ = Trace::Clock::now();
  }
  TracedStage(const TracedStage&) = delete;
  TracedStage& operator=(const TracedStage&) = delete;
  ~TracedStage() {
    if (trace_ != nullptr) trace_->add(name_, begin_, Trace::Clock::now(), bytes_);
  }

 private:
  Trace* trace_;
  const char* name_;
  std::uint64_t bytes_;
  Trace::Clock::time_point begin_{};
};

}  // namespace contourfuse
