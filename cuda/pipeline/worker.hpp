// One device at work: what its two threads share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "pipeline/buffers.hpp"
#include "pipeline/hand_off.hpp"
#include "pipeline/memory.hpp"
#include "pipeline/parcel.hpp"
#include "pipeline/pinned_pool.hpp"
#include "pipeline/sections.hpp"
#include "pipeline/shard_files.hpp"
#include "pipeline/shared_device.hpp"

namespace contourfuse::device {

/// What the workers of a run share.
struct RunParts {
  const FuseJob& job;
  const Execution& execution;
  Stop& stop;
  ShardFiles& files;
  SectionQueue& sections;
  FinishedShards& finished;
};

/// Scaling, record and delta's moments of one matrix, as they come from the device.
inline constexpr std::uint64_t kNumbersBytes = 256;

/// How a worker's part of the pinned memory is cut.
struct PinnedPlan {
  std::uint64_t slot_bytes = 0;
  std::uint64_t in_slots = 0;   ///< for the feeder: matrices take two bytes in for one out
  std::uint64_t out_slots = 0;  ///< for the drainer

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return kNumbersBytes + (in_slots + out_slots) * slot_bytes;
  }
};
/// Never more than `quota` bytes. Throws Error{kUsage, "pinned-too-small"} if that is too little.
[[nodiscard]] PinnedPlan plan_pinned(std::uint64_t quota, std::uint64_t slot_bytes);

/// Throws Abandoned once the run has failed, and Error{"interrupted"} once it is cancelled.
void check_running(const RunParts& run);

class Worker {
 public:
  /// Takes its memory from the device.
  Worker(const RunParts& run, SharedDevice& device, const PinnedPlan& pinned,
         std::uint64_t device_bytes);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for the device: nothing may touch memory that is given back.
  ~Worker() { device.drain(); }

  const RunParts& run;
  SharedDevice& device;
  const BufferPlan plan;

 private:
  PinnedMemory pinned_;
  std::vector<MatrixBuffers> sets_{};

 public:
  const std::span<std::byte> numbers;  ///< kNumbersBytes of pinned memory
  PinnedPool in_slots;
  PinnedPool out_slots;
  HandOff<MatrixBuffers*> free_sets;  ///< drainer → feeder
  HandOff<Parcel> parcels;            ///< feeder → drainer
};

/// Calls work(); adds the tensor's name to an error of a device.
template <class Work>
void with_tensor(const MatrixJob& matrix, Work work) {
  try {
    work();
  } catch (const Error& error) {
    if (!error.kind().starts_with("device-") || !error.place().tensor.empty()) throw;
    Place place = error.place();
    place.tensor = matrix.name;
    throw Error(error.failure(), error.kind(), error.message(), std::move(place), error.hint());
  }
}

}  // namespace contourfuse::device
