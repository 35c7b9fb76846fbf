// Two slots of pinned memory, through which a device's data comes and goes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "pipeline/memory.hpp"

namespace contourfuse::device {

/// Of a slot, if so much memory may be pinned: a larger transfer is not faster.
[[nodiscard]] std::uint64_t slot_bytes(std::uint64_t pinned_bytes) noexcept;

/// For one thread at a time.
class Staging {
 public:
  Staging(Device& device, std::uint64_t slot_bytes);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() { device_.drain(); }

  /// Writes bytes [at, at + out.size()) of what is sent.
  using Fill = std::function<void(std::uint64_t at, std::span<std::byte> out)>;
  /// Sends `bytes` to the device, one slot being filled while the other is copied; later work of
  /// Stream::kCompute waits for them. Nothing under way may use the place. `grain`, at most a slot,
  /// divides every `at`.
  void send(std::byte* to, std::uint64_t bytes, std::uint64_t grain, const Fill& fill);
  /// Blocks until Stream::kCompute has done all that it was told.
  void finish();
  /// Copies from the device what Stream::kCompute has been told to make.
  void receive(const std::byte* from, std::span<std::byte> to);

 private:
  struct Slot {
    PinnedMemory memory{};
    Event copied = 0;
  };
  Device& device_;
  const std::uint64_t slot_bytes_;
  std::array<Slot, 2> slots_{};
  std::size_t next_ = 0;
  Event sent_ = 0;
  Event made_ = 0;
};

}  // namespace contourfuse::device
