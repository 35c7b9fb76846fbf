// How a long call is to be run: threads, progress, cancellation, rate.
#pragma once

#include "contourfuse/core/cancellation.hpp"
#include "contourfuse/core/progress.hpp"
#include "contourfuse/core/rate_limit.hpp"
#include "contourfuse/core/trace.hpp"

namespace contourfuse {

struct Execution {
  int threads = 0;                             ///< 0: all processors this process may use
  Progress* progress = nullptr;                ///< not owned; null: silent
  const Cancellation* cancellation = nullptr;  ///< not owned; null: cannot be cancelled
  Trace* trace = nullptr;                      ///< not owned; null: no stage is recorded
  RateLimit* rate = nullptr;                   ///< not owned; null: as fast as it goes

  /// `threads`, or the processors of this process's affinity mask.
  [[nodiscard]] int thread_count() const;
  void begin(std::string_view stage, std::uint64_t total_bytes) const;
  void advance(std::uint64_t bytes) const;
  void end() const;
  /// Throws when cancelled.
  void check_cancelled() const;
  /// Before `bytes` are read or written: waits for their turn. Throws when cancelled.
  void pace(std::uint64_t bytes) const;
};

}  // namespace contourfuse
