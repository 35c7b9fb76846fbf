// Ends a run: wakes whoever waits in it.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

namespace contourfuse {

/// Something that threads wait at.
class WaitingPlace {
 public:
  WaitingPlace() = default;
  WaitingPlace(const WaitingPlace&) = delete;
  WaitingPlace& operator=(const WaitingPlace&) = delete;
  /// Now and later waits throw Abandoned.
  virtual void abandon() = 0;

 protected:
  ~WaitingPlace() = default;
};

class Stop {
 public:
  [[nodiscard]] bool requested() const noexcept { return requested_; }
  void request() {
    const std::lock_guard lock(mutex_);
    requested_ = true;
    for (WaitingPlace* place : places_) place->abandon();
  }
  /// From now on `place` is abandoned when the run ends; at once if it has.
  void enlist(WaitingPlace& place) {
    const std::lock_guard lock(mutex_);
    places_.push_back(&place);
    if (requested_) place.abandon();
  }
  void dismiss(WaitingPlace& place) {
    const std::lock_guard lock(mutex_);
    std::erase(places_, &place);
  }

 private:
  std::mutex mutex_{};
  std::atomic<bool> requested_ = false;
  std::vector<WaitingPlace*> places_{};
};

}  // namespace contourfuse
