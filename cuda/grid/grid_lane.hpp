// What one measurement at a time has of a device: several lanes overlap their reading, copying and
// computing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "grid/device_grid.hpp"
#include "grid/device_pool.hpp"
#include "grid/staging.hpp"
#include "grid/sweep_device.hpp"

namespace contourfuse::device {

/// The device outlives it.
class GridLane {
 public:
  GridLane(const SweepDevice& on, std::uint64_t pinned_bytes)
      : device_(*on.device),
        pool_(device_),
        algorithms_(on.make_algorithms(device_, pool_)),
        staging_(device_, slot_bytes(pinned_bytes)) {}

  [[nodiscard]] GridDevice grid_device() noexcept {
    return {device_, pool_, *algorithms_, staging_};
  }

 private:
  SharedDevice& device_;
  DevicePool pool_;
  std::unique_ptr<GridAlgorithms> algorithms_;
  Staging staging_;  // last: it waits for all work before the rest goes
};

/// Lanes that nobody uses.
class FreeLanes {
 public:
  void give(GridLane& lane) {
    {
      const std::lock_guard lock(mutex_);
      lanes_.push_back(&lane);
    }
    given_.notify_one();
  }
  /// The one that has been free for longest; waits for it.
  [[nodiscard]] GridLane& take() {
    std::unique_lock lock(mutex_);
    given_.wait(lock, [&] { return !lanes_.empty(); });
    GridLane& lane = *lanes_.front();
    lanes_.pop_front();
    return lane;
  }

 private:
  std::mutex mutex_{};
  std::condition_variable given_{};
  std::deque<GridLane*> lanes_{};
};

}  // namespace contourfuse::device
