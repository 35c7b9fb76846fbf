// Two slots of pinned memory, through which a device's data comes and goes.
#include "grid/staging.hpp"

#include <algorithm>

namespace contourfuse::device {

std::uint64_t slot_bytes(std::uint64_t pinned_bytes) noexcept {
  constexpr std::uint64_t kLeast = 4096;
  constexpr std::uint64_t kMost = std::uint64_t{16} << 20;
  return std::clamp(pinned_bytes / 2, kLeast, kMost);
}

Staging::Staging(Device& device, std::uint64_t slot_bytes)
    : device_(device),
      slot_bytes_(slot_bytes),
      sent_(device.create_event()),
      made_(device.create_event()) {
  for (Slot& slot : slots_) {
    slot.memory = pinned_memory(device, slot_bytes);
    slot.copied = device.create_event();
  }
}

void Staging::send(std::byte* to, std::uint64_t bytes, std::uint64_t grain, const Fill& fill) {
  const std::uint64_t most = slot_bytes_ / grain * grain;
  for (std::uint64_t at = 0; at < bytes; at += most) {
    Slot& slot = slots_[next_];
    next_ = 1 - next_;
    device_.synchronize(slot.copied);
    const std::span<std::byte> piece(slot.memory.get(), std::min(most, bytes - at));
    fill(at, piece);
    device_.copy_in(Stream::kIn, to + at, piece.data(), piece.size());
    device_.record(Stream::kIn, slot.copied);
  }
  device_.record(Stream::kIn, sent_);
  device_.wait(Stream::kCompute, sent_);
}

void Staging::finish() {
  device_.record(Stream::kCompute, made_);
  device_.synchronize(made_);
}

void Staging::receive(const std::byte* from, std::span<std::byte> to) {
  finish();
  for (std::uint64_t at = 0; at < to.size(); at += slot_bytes_) {
    Slot& slot = slots_[0];
    device_.synchronize(slot.copied);
    const std::uint64_t bytes = std::min(slot_bytes_, to.size() - at);
    device_.copy_out(Stream::kOut, slot.memory.get(), from + at, bytes);
    device_.record(Stream::kOut, slot.copied);
    device_.synchronize(slot.copied);
    std::copy_n(slot.memory.get(), bytes, to.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

}  // namespace contourfuse::device
