// Items that one thread hands to another, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "contourfuse/io/turnstile.hpp"
#include "pipeline/stop.hpp"

namespace contourfuse {

template <class Item>
class HandOff final : public WaitingPlace {
 public:
  explicit HandOff(Stop& stop) : stop_(stop) { stop_.enlist(*this); }
  ~HandOff() { stop_.dismiss(*this); }

  void give(Item item) {
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
  }
  /// Waits for an item. Throws Abandoned when the run has failed.
  [[nodiscard]] Item take() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return abandoned_ || !items_.empty(); });
    if (abandoned_) throw Abandoned{};
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  void abandon() override {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    ready_.notify_all();
  }

 private:
  Stop& stop_;
  std::mutex mutex_{};
  std::condition_variable ready_{};
  std::deque<Item> items_{};
  bool abandoned_ = false;
};

}  // namespace contourfuse
