// One device at work: what its two threads share.
#include "pipeline/worker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace contourfuse::device {
namespace {

// Slots begin at multiples of it.
constexpr std::uint64_t kSlotGrain = 64;
// One to be filled, one under way to the device, one under way from it.
constexpr std::uint64_t kFewestSlots = 3;

std::uint64_t usable_memory(SharedDevice& device, std::uint64_t most) {
  const std::uint64_t free = device.free_memory();
  // A sixteenth is left to the driver: what is free is not all in one piece.
  return std::min(free - free / 16, most);
}

std::span<std::byte> part(const PinnedMemory& memory, std::uint64_t begin, std::uint64_t bytes) {
  return {memory.get() + begin, bytes};
}

}  // namespace

PinnedPlan plan_pinned(std::uint64_t quota, std::uint64_t slot_bytes) {
  if (quota < kNumbersBytes + kFewestSlots * kSlotGrain) {
    throw Error(Failure::kUsage, "pinned-too-small",
                fmt::format("{} bytes of pinned memory for each device are too few", quota), {},
                "raise --pinned-mb");
  }
  const std::uint64_t room = quota - kNumbersBytes;
  PinnedPlan plan;
  plan.slot_bytes =
      std::max(kSlotGrain, std::min(slot_bytes, room / kFewestSlots) / kSlotGrain * kSlotGrain);
  const std::uint64_t slots = room / plan.slot_bytes;
  plan.out_slots = slots / 3;
  plan.in_slots = slots - plan.out_slots;
  return plan;
}

void check_running(const RunParts& run) {
  if (run.stop.requested()) throw Abandoned{};
  run.execution.check_cancelled();
}

Worker::Worker(const RunParts& of, SharedDevice& on, const PinnedPlan& pinned,
               std::uint64_t device_bytes)
    : run(of),
      device(on),
      plan(plan_buffers(of.job, usable_memory(on, device_bytes), on.name())),
      pinned_(pinned_memory(on, pinned.bytes())),
      numbers(part(pinned_, 0, kNumbersBytes)),
      in_slots(on, part(pinned_, kNumbersBytes, pinned.in_slots * pinned.slot_bytes),
               pinned.slot_bytes, of.stop),
      out_slots(on,
                part(pinned_, kNumbersBytes + pinned.in_slots * pinned.slot_bytes,
                     pinned.out_slots * pinned.slot_bytes),
                pinned.slot_bytes, of.stop),
      free_sets(of.stop),
      parcels(of.stop) {
  sets_.reserve(plan.sets);
  for (std::uint64_t i = 0; i < plan.sets; ++i) {
    sets_.emplace_back(on, plan);
    free_sets.give(&sets_.back());
  }
}

}  // namespace contourfuse::device
