// What the pipeline needs of a device. The real one is CUDA; tests have one on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "launch/kernel_call.hpp"

namespace contourfuse::device {

/// Work of one stream is done in order; streams are ordered among each other by events alone.
enum class Stream : std::uint8_t { kIn, kCompute, kOut };
inline constexpr std::size_t kStreams = 3;

/// A device's own number for an event.
using Event = std::uint32_t;

/// One device, used by one worker: calls come from that worker's threads, which take turns as the
/// comments say. Every call that fails throws Error{kFailed, "device-failed"}, or
/// "device-memory" for want of memory, naming the call and the device. Calls on a stream return at
/// once; errors of earlier work may come out of any later call.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  /// "cuda:0, NVIDIA H100 80GB HBM3".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Bytes that allocate() may still give.
  [[nodiscard]] virtual std::uint64_t free_memory() = 0;

  /// Aligned to 256 bytes.
  [[nodiscard]] virtual void* allocate(std::uint64_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  /// Host memory that the device copies from and to without an intermediate buffer.
  [[nodiscard]] virtual void* allocate_pinned(std::uint64_t bytes) = 0;
  virtual void release_pinned(void* memory) noexcept = 0;

  virtual void copy_in(Stream stream, void* device, const void* pinned, std::uint64_t bytes) = 0;
  virtual void copy_out(Stream stream, void* pinned, const void* device, std::uint64_t bytes) = 0;
  virtual void launch(Stream stream, const KernelCall& call) = 0;

  [[nodiscard]] virtual Event create_event() = 0;
  /// The event stands for all work that the stream has been given so far.
  virtual void record(Stream stream, Event event) = 0;
  /// Later work of the stream waits for the event as last recorded.
  virtual void wait(Stream stream, Event event) = 0;
  /// Blocks the calling thread until the event as last recorded has happened; at once if it never
  /// was recorded. From any thread.
  virtual void synchronize(Event event) = 0;
  /// Blocks until all work is done or given up, whatever became of it; for the way out.
  virtual void drain() noexcept = 0;

  /// Marks a stage of the calling thread for a profiler.
  virtual void begin_stage(std::string_view name) noexcept = 0;
  virtual void end_stage() noexcept = 0;
};

}  // namespace contourfuse::device
