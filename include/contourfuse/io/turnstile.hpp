// Lets the pieces of a file pass in order, whichever thread has them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace contourfuse {

/// Thrown by waits of a run that another thread has failed; never leaves the run.
struct Abandoned {};

class Turnstile {
 public:
  /// Waits for `ticket`'s turn, calls `pass`, lets the next one in.
  template <class Pass>
  void enter(std::uint64_t ticket, Pass pass) {
    if (!comes_soon(ticket)) {
      std::unique_lock lock(mutex_);
      turn_.wait(lock, [&] { return next_ == ticket || broken_; });
    }
    if (broken_) throw Abandoned{};
    pass();
    {
      const std::lock_guard lock(mutex_);
      next_ = ticket + 1;
    }
    turn_.notify_all();
  }
  /// Wakes everyone who waits; they throw Abandoned.
  void abandon() {
    {
      const std::lock_guard lock(mutex_);
      broken_ = true;
    }
    turn_.notify_all();
  }

 private:
  /// A turn is soon over, and to be woken takes longer: looks for some ten microseconds.
  [[nodiscard]] bool comes_soon(std::uint64_t ticket) const {
    constexpr int kLooks = 2000;
    for (int look = 0; look < kLooks; ++look) {
      if (next_ == ticket || broken_) return true;
#if defined(__x86_64__)
      _mm_pause();
#endif
    }
    return false;
  }

  std::mutex mutex_{};
  std::condition_variable turn_{};
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> broken_{false};
};

}  // namespace contourfuse
