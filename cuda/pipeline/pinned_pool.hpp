// Slots of pinned memory, lent to one transfer each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/device.hpp"
#include "pipeline/hand_off.hpp"

namespace contourfuse::device {

class PinnedPool;

/// Move-only lease of a slot. Given back at once when it ends; whoever gets the slot next waits for
/// its event.
class SlotLease {
 public:
  SlotLease(PinnedPool& pool, std::size_t slot) noexcept : pool_(&pool), slot_(slot) {}
  SlotLease(SlotLease&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), slot_(other.slot_) {}
  SlotLease& operator=(SlotLease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  SlotLease(const SlotLease&) = delete;
  SlotLease& operator=(const SlotLease&) = delete;
  ~SlotLease();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept;
  /// To be recorded behind the slot's transfer.
  [[nodiscard]] Event transferred() const noexcept;

 private:
  PinnedPool* pool_;
  std::size_t slot_;
};

class PinnedPool {
 public:
  /// Over `memory`, which it does not own: slots of `slot_bytes`.
  PinnedPool(Device& device, std::span<std::byte> memory, std::uint64_t slot_bytes, Stop& stop);

  /// Waits for a slot, and for its last transfer. Throws Abandoned when the run has failed.
  [[nodiscard]] SlotLease acquire();
  [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
  [[nodiscard]] std::uint64_t slot_bytes() const noexcept { return slot_bytes_; }

 private:
  friend class SlotLease;
  struct Slot {
    std::span<std::byte> bytes{};
    Event transferred = 0;
  };
  Device& device_;
  const std::uint64_t slot_bytes_;
  std::vector<Slot> slots_{};
  HandOff<std::size_t> free_;
};

}  // namespace contourfuse::device
