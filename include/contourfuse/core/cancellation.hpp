// Cooperative cancellation.
#pragma once

#include <atomic>

namespace contourfuse {

/// Set from a signal handler or another thread, looked at between pieces of work.
class Cancellation {
 public:
  /// Async-signal-safe.
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool requested() const noexcept {
    return requested_.load(std::memory_order_relaxed);
  }
  /// Throws Error{kFailed, "interrupted"} once requested.
  void check() const;

 private:
  std::atomic<bool> requested_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace contourfuse
