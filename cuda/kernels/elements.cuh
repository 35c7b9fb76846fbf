// Stored elements as a thread handles them: eight in a row, in 16-byte accesses where they are
// aligned.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/numeric/moments.hpp"
#include "kernels/device.cuh"

namespace contourfuse::device {

inline constexpr std::uint32_t kWarpThreads = 32;
/// Elements of a thread in one row of a block: a row is the block's 256 lanes.
inline constexpr std::uint32_t kThreadElements = kLanes / kWarpThreads;
inline constexpr std::uint32_t kRows = kBlockElements / kLanes;
inline constexpr std::size_t kPacketBytes = 16;

/// What one load or store instruction moves.
template <class Stored>
struct alignas(kPacketBytes) Packet {
  static constexpr std::uint32_t kElements = kPacketBytes / sizeof(Stored);
  Stored element[kElements];
};

CONTOURFUSE_DEVICE bool is_packet_aligned(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % kPacketBytes == 0;
}

template <class Stored>
CONTOURFUSE_DEVICE void load_packets(const Stored* from, Stored (&to)[kThreadElements]) {
  using Packed = Packet<Stored>;
  const auto* packets = static_cast<const Packed*>(static_cast<const void*>(from));
  CONTOURFUSE_UNROLL(2)
  for (std::uint32_t p = 0; p < kThreadElements / Packed::kElements; ++p) {
    const Packed packet = packets[p];
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t k = 0; k < Packed::kElements; ++k) {
      to[p * Packed::kElements + k] = packet.element[k];
    }
  }
}

template <class Stored>
CONTOURFUSE_DEVICE void store_packets(const Stored (&from)[kThreadElements], Stored* to) {
  using Packed = Packet<Stored>;
  auto* packets = static_cast<Packed*>(static_cast<void*>(to));
  CONTOURFUSE_UNROLL(2)
  for (std::uint32_t p = 0; p < kThreadElements / Packed::kElements; ++p) {
    Packed packet;
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t k = 0; k < Packed::kElements; ++k) {
      packet.element[k] = from[p * Packed::kElements + k];
    }
    packets[p] = packet;
  }
}

/// The moment block of a warp: block `number` of `count` elements.
struct WarpBlock {
  std::uint64_t number;
  std::uint64_t first;     ///< element that the block begins with
  std::uint32_t elements;  ///< 1 … kBlockElements; 0: there is no such block
  std::uint32_t lane;

  CONTOURFUSE_DEVICE explicit WarpBlock(std::uint64_t count) {
    const std::uint32_t warps = block_threads() / kWarpThreads;
    number = std::uint64_t{block_index()} * warps + thread_index() / kWarpThreads;
    first = number * kBlockElements;
    lane = thread_index() % kWarpThreads;
    const std::uint64_t left = first < count ? count - first : 0;
    elements = static_cast<std::uint32_t>(left < kBlockElements ? left : kBlockElements);
  }
  [[nodiscard]] CONTOURFUSE_DEVICE bool is_whole() const { return elements == kBlockElements; }
  /// Place in the block of this thread's elements in a row.
  [[nodiscard]] CONTOURFUSE_DEVICE std::uint32_t place(std::uint32_t row) const {
    return row * static_cast<std::uint32_t>(kLanes) + lane * kThreadElements;
  }
  /// How many of them there are.
  [[nodiscard]] CONTOURFUSE_DEVICE std::uint32_t here(std::uint32_t place) const {
    const std::uint32_t left = place < elements ? elements - place : 0;
    return left < kThreadElements ? left : kThreadElements;
  }
};

/// The first `here` of eight elements, zeros after them. `packed`: by packets, if all are there.
template <class Stored>
CONTOURFUSE_DEVICE void load_elements(const Stored* from, std::uint32_t here, bool packed,
                                      Stored (&to)[kThreadElements]) {
  if (packed && here == kThreadElements) {
    load_packets(from, to);
    return;
  }
  CONTOURFUSE_UNROLL(8)
  for (std::uint32_t k = 0; k < kThreadElements; ++k) to[k] = k < here ? from[k] : Stored{0};
}

template <class Stored>
CONTOURFUSE_DEVICE void store_elements(const Stored (&from)[kThreadElements], std::uint32_t here,
                                       bool packed, Stored* to) {
  if (packed && here == kThreadElements) {
    store_packets(from, to);
    return;
  }
  CONTOURFUSE_UNROLL(8)
  for (std::uint32_t k = 0; k < kThreadElements; ++k) {
    if (k < here) to[k] = from[k];
  }
}

}  // namespace contourfuse::device
