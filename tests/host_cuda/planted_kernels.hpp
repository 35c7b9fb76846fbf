// Small kernels, each in two variants: a correct one, and one with a single planted mistake.
#pragma once

#include <cstdint>

#include "host_cuda/device_runtime.hpp"

namespace contourfuse::host_cuda {

enum class Variant { kCorrect, kPlanted };

inline constexpr std::uint32_t kThreads = 64;

struct alignas(16) Vector8 {
  std::uint16_t values[8];
};

/// out[t] = t - 1 (thread 0: the last one's index). Planted: no barrier between write and read.
template <Variant variant>
CONTOURFUSE_KERNEL void rotate_in_shared(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, slots, kThreads);
  const std::uint32_t t = device::thread_index();
  slots[t] = t;
  if constexpr (variant == Variant::kCorrect) device::sync_block();
  out[t] = slots[(t + kThreads - 1) % kThreads];
}

/// Planted: the warps of a block wait at different barriers.
template <Variant variant>
CONTOURFUSE_KERNEL void branch_around_barrier(std::uint32_t* out) {
  if (variant == Variant::kPlanted && device::thread_index() < kThreads / 2) {
    device::sync_block();
  } else {
    device::sync_block();
  }
  out[device::thread_index()] = 1;
}

/// Planted: thread 0 returns where others wait; the first to run in one order, the last in another.
template <Variant variant>
CONTOURFUSE_KERNEL void return_before_barrier(std::uint32_t* out) {
  if (variant == Variant::kPlanted && device::thread_index() == 0) return;
  device::sync_block();
  out[device::thread_index()] = 1;
}

/// out[warp] = sum of the lanes' indices. Planted: the upper lanes return before the shuffles.
template <Variant variant>
CONTOURFUSE_KERNEL void return_before_shuffle(std::uint32_t* out) {
  std::uint32_t sum = device::thread_index() % 32;
  if (variant == Variant::kPlanted && sum >= 20) return;
  for (std::uint32_t delta = 16; delta > 0; delta /= 2) sum += device::shuffle_down(sum, delta);
  if (device::thread_index() % 32 == 0) out[device::thread_index() / 32] = sum;
}

/// Planted: half a warp shuffles where the other half votes.
template <Variant variant>
CONTOURFUSE_KERNEL void branch_around_shuffle(std::uint32_t* out) {
  const std::uint32_t t = device::thread_index();
  if (variant == Variant::kPlanted && t % 32 < 16) {
    out[t] = device::ballot(true);
  } else {
    out[t] = device::shuffle_from(t, 0);
  }
}

/// Planted: one lane waits for its warp in a shuffle, the warp for the lane at the barrier.
template <Variant variant>
CONTOURFUSE_KERNEL void shuffle_against_barrier(std::uint32_t* out) {
  const std::uint32_t t = device::thread_index();
  if (variant == Variant::kPlanted && t == 5) {
    out[t] = device::shuffle_from(t, 0);
  } else {
    device::sync_block();
    out[t] = 1;
  }
}

/// Planted: thread 0 writes one element past the shared array, through a pointer.
template <Variant variant>
CONTOURFUSE_KERNEL void overrun_shared(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, slots, kThreads);
  std::uint32_t* first = slots;
  const std::uint32_t t = device::thread_index();
  first[t] = t;
  if (variant == Variant::kPlanted && t == 0) first[kThreads] = 0;
  device::sync_block();
  out[t] = first[kThreads - 1 - t];
}

/// out[i] = in[i] + 1, eight at a time. Planted: the tail is read as a full vector.
template <Variant variant>
CONTOURFUSE_KERNEL void overrun_global(const std::uint16_t* in, std::uint16_t* out,
                                       std::uint64_t count) {
  const std::uint64_t whole = variant == Variant::kPlanted ? (count + 7) / 8 : count / 8;
  const auto* vectors = reinterpret_cast<const Vector8*>(in);
  auto* results = reinterpret_cast<Vector8*>(out);
  for (std::uint64_t i = device::thread_index(); i < whole; i += device::block_threads()) {
    Vector8 vector = vectors[i];
    for (std::uint16_t& value : vector.values) ++value;
    results[i] = vector;
  }
  for (std::uint64_t i = whole * 8 + device::thread_index(); i < count;
       i += device::block_threads()) {
    out[i] = static_cast<std::uint16_t>(in[i] + 1);
  }
}

/// out[t] = in[t]. Planted: the vectors begin one element late.
template <Variant variant>
CONTOURFUSE_KERNEL void load_misaligned(const std::uint16_t* in, std::uint16_t* out) {
  const std::uint64_t shift = variant == Variant::kPlanted ? 1 : 0;
  const std::uint64_t t = device::thread_index();
  const Vector8 vector = *reinterpret_cast<const Vector8*>(in + 8 * t + shift);
  for (std::uint64_t i = 0; i < 8; ++i) out[8 * t + i] = vector.values[i];
}

/// out[t] = t + 1 + t + 2. Planted: a slot is written again while its neighbour may still read it.
template <Variant variant>
CONTOURFUSE_KERNEL void race_in_shared(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, slots, kThreads + 1);
  const std::uint32_t t = device::thread_index();
  slots[t] = t;
  if (t == 0) slots[kThreads] = kThreads;
  device::sync_block();
  const std::uint32_t next = slots[t + 1];
  if constexpr (variant == Variant::kCorrect) device::sync_block();
  slots[t] = next + 1;
  device::sync_block();
  out[t] = next + slots[t];
}

/// *total += threads of the grid. Planted: without an atomic. Barriers before and after order
/// nothing between blocks; there are enough of them to use both events of barrier_event().
template <Variant variant>
CONTOURFUSE_KERNEL void race_in_global(std::uint64_t* total) {
  device::sync_block();
  if constexpr (variant == Variant::kCorrect) {
    device::atomic_add(total, std::uint64_t{1});
  } else {
    *total += 1;
  }
  device::sync_block();
  device::sync_block();
}

/// out[t] = the slot of the lane before. Planted: a shuffle stands where the barrier must; it
/// makes the lanes meet, but orders no memory.
template <Variant variant>
CONTOURFUSE_KERNEL void shuffle_for_barrier(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, slots, kThreads);
  const std::uint32_t t = device::thread_index();
  slots[t] = t;
  if constexpr (variant == Variant::kCorrect) {
    device::sync_block();
  } else {
    out[t] = device::shuffle_from(t, 0);
  }
  out[t] = slots[t % 32 == 0 ? t : t - 1];
}

/// out[t] = 7. Planted: thread 1 reads what thread 0 writes between the same two barriers.
template <Variant variant>
CONTOURFUSE_KERNEL void race_between_barriers(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, slot, 1);
  const std::uint32_t t = device::thread_index();
  if (t == 0) slot[0] = 7;
  device::sync_block();
  if (variant == Variant::kPlanted && t == 0) slot[0] = 7;
  out[t] = slot[0];
  device::sync_block();
}

}  // namespace contourfuse::host_cuda
