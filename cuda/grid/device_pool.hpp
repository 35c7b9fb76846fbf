// Memory of a device that is kept from use to use: getting it anew takes longer than much of what
// is done in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "pipeline/memory.hpp"

namespace contourfuse::device {

/// What is given back is lent again at once: whoever gives it back has no work under way in it, or
/// shares one stream with who gets it next. For one thread at a time.
class DevicePool {
 public:
  explicit DevicePool(Device& device) : device_(device) {}
  DevicePool(const DevicePool&) = delete;
  DevicePool& operator=(const DevicePool&) = delete;

  /// At least `bytes`, aligned to 256. Throws Error{kFailed, "device-memory"}.
  [[nodiscard]] std::byte* lend(std::uint64_t bytes);
  void take_back(const std::byte* memory) noexcept;
  /// Bytes that can still be lent, in pieces of whatever size.
  [[nodiscard]] std::uint64_t free_bytes();

 private:
  [[nodiscard]] DeviceMemory allocate(std::uint64_t bytes);

  struct Lent {
    std::uint64_t bytes = 0;
    DeviceMemory memory{};
  };
  Device& device_;
  std::multimap<std::uint64_t, DeviceMemory> idle_{};  ///< by bytes
  std::map<const std::byte*, Lent> lent_{};
};

/// Move-only lease of a pool's memory; the pool outlives it.
class PooledMemory {
 public:
  PooledMemory() = default;
  PooledMemory(DevicePool& pool, std::uint64_t bytes) : pool_(&pool), bytes_(pool.lend(bytes)) {}
  PooledMemory(PooledMemory&& other) noexcept
      : pool_(other.pool_), bytes_(std::exchange(other.bytes_, nullptr)) {}
  PooledMemory& operator=(PooledMemory&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  PooledMemory(const PooledMemory&) = delete;
  PooledMemory& operator=(const PooledMemory&) = delete;
  ~PooledMemory() {
    if (bytes_ != nullptr) pool_->take_back(bytes_);
  }

  [[nodiscard]] std::byte* get() const noexcept { return bytes_; }
  template <class Value>
  [[nodiscard]] Value* as() const noexcept {
    return static_cast<Value*>(static_cast<void*>(bytes_));
  }

 private:
  DevicePool* pool_ = nullptr;
  std::byte* bytes_ = nullptr;
};

/// The pool as Thrust asks for temporary memory.
class PoolAllocator {
 public:
  using value_type = char;
  explicit PoolAllocator(DevicePool& pool) noexcept : pool_(&pool) {}

  [[nodiscard]] char* allocate(std::ptrdiff_t bytes) {
    return static_cast<char*>(static_cast<void*>(pool_->lend(static_cast<std::uint64_t>(bytes))));
  }
  void deallocate(char* memory, std::size_t /*bytes*/) noexcept {
    pool_->take_back(static_cast<std::byte*>(static_cast<void*>(memory)));
  }

 private:
  DevicePool* pool_;
};

}  // namespace contourfuse::device
