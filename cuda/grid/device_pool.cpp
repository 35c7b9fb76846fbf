// Memory of a device that is kept from use to use.
#include "grid/device_pool.hpp"

#include <algorithm>

#include "contourfuse/core/error.hpp"

namespace contourfuse::device {
namespace {

/// Most that a piece may be larger than what it is lent for.
constexpr std::uint64_t kWaste = 2;

}  // namespace

DeviceMemory DevicePool::allocate(std::uint64_t bytes) {
  try {
    return device_memory(device_, bytes);
  } catch (const Error& error) {
    if (error.kind() != "device-memory" || idle_.empty()) throw;
  }
  // Pieces of other sizes than are wanted now.
  idle_.clear();
  return device_memory(device_, bytes);
}

std::byte* DevicePool::lend(std::uint64_t bytes) {
  bytes = std::max<std::uint64_t>(bytes, 1);
  Lent lent;
  if (const auto found = idle_.lower_bound(bytes);
      found != idle_.end() && found->first / kWaste <= bytes) {
    lent.bytes = found->first;
    lent.memory = std::move(found->second);
    idle_.erase(found);
  } else {
    lent.bytes = bytes;
    lent.memory = allocate(bytes);
  }
  std::byte* const memory = lent.memory.get();
  lent_.emplace(memory, std::move(lent));
  return memory;
}

void DevicePool::take_back(const std::byte* memory) noexcept {
  const auto found = lent_.find(memory);
  if (found == lent_.end()) return;
  idle_.emplace(found->second.bytes, std::move(found->second.memory));
  lent_.erase(found);
}

std::uint64_t DevicePool::free_bytes() {
  std::uint64_t bytes = device_.free_memory();
  for (const auto& [size, memory] : idle_) bytes += size;
  return bytes;
}

}  // namespace contourfuse::device
