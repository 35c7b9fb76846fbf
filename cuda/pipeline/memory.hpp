// Owners of a device's memory and of pinned memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "pipeline/device.hpp"

namespace contourfuse::device {

using Release = void (Device::*)(void*) noexcept;

/// Move-only owner of what a device gave; the device outlives it.
template <Release release>
class OwnedMemory {
 public:
  OwnedMemory() = default;
  OwnedMemory(Device& device, void* memory) noexcept
      : device_(&device), bytes_(static_cast<std::byte*>(memory)) {}
  OwnedMemory(OwnedMemory&& other) noexcept
      : device_(other.device_), bytes_(std::exchange(other.bytes_, nullptr)) {}
  OwnedMemory& operator=(OwnedMemory&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  OwnedMemory(const OwnedMemory&) = delete;
  OwnedMemory& operator=(const OwnedMemory&) = delete;
  ~OwnedMemory() {
    if (bytes_ != nullptr) (device_->*release)(bytes_);
  }
  [[nodiscard]] std::byte* get() const noexcept { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::byte* bytes_ = nullptr;
};

using DeviceMemory = OwnedMemory<&Device::release>;
using PinnedMemory = OwnedMemory<&Device::release_pinned>;

[[nodiscard]] inline DeviceMemory device_memory(Device& device, std::uint64_t bytes) {
  return {device, device.allocate(bytes)};
}
[[nodiscard]] inline PinnedMemory pinned_memory(Device& device, std::uint64_t bytes) {
  return {device, device.allocate_pinned(bytes)};
}

}  // namespace contourfuse::device
