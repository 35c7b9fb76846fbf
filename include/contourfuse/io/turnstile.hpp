// Lets the pieces of a file pass in order, whichever thread has them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace contourfuse {

/// Thrown by waits of a run that another thread has failed; never leaves the run.
struct Abandoned {};

class Turnstile {
 public:
  /// Waits for `ticket`'s turn, calls `pass`, lets the next one in.
  template <class Pass>
  void enter(std::uint64_t ticket, Pass pass) {
    {
      std::unique_lock lock(mutex_);
      turn_.wait(lock, [&] { return next_ == ticket || broken_; });
      if (broken_) throw Abandoned{};
    }
    pass();
    {
      const std::lock_guard lock(mutex_);
      ++next_;
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
  std::mutex mutex_{};
  std::condition_variable turn_{};
  std::uint64_t next_ = 0;
  bool broken_ = false;
};

}  // namespace contourfuse
