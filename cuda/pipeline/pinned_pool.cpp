// Slots of pinned memory, lent to one transfer each.
#include "pipeline/pinned_pool.hpp"

namespace contourfuse::device {

SlotLease::~SlotLease() {
  if (pool_ != nullptr) pool_->free_.give(slot_);
}

std::span<std::byte> SlotLease::bytes() const noexcept { return pool_->slots_[slot_].bytes; }

Event SlotLease::transferred() const noexcept { return pool_->slots_[slot_].transferred; }

PinnedPool::PinnedPool(Device& device, std::span<std::byte> memory, std::uint64_t slot_bytes,
                       Stop& stop)
    : device_(device), slot_bytes_(slot_bytes), free_(stop) {
  for (std::uint64_t at = 0; at + slot_bytes <= memory.size(); at += slot_bytes) {
    slots_.push_back({memory.subspan(at, slot_bytes), device.create_event()});
    free_.give(slots_.size() - 1);
  }
}

SlotLease PinnedPool::acquire() {
  SlotLease lease(*this, free_.take());
  device_.synchronize(lease.transferred());
  return lease;
}

}  // namespace contourfuse::device
