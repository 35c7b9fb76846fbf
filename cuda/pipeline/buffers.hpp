// Device memory of the matrices under way, and how much of it there is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "contourfuse/fusion/backend.hpp"
#include "kernels/arguments.hpp"
#include "pipeline/memory.hpp"
#include "pipeline/shared_device.hpp"

namespace contourfuse::device {

/// What a worker holds of its device for one job.
struct BufferPlan {
  std::uint64_t sets = 0;           ///< two let matrices overlap; none without matrices
  std::uint64_t tile_elements = 0;  ///< a multiple of a block; a matrix of no more is never cut
  std::uint64_t weight_bytes = 0;   ///< of a tile
  std::uint64_t delta_bytes = 0;
  std::uint64_t blocks = 0;  ///< moment blocks of the largest matrix
};

/// Fills `memory` bytes as well as it can. Throws Error{kFailed, "device-memory"} if the job's
/// largest matrix cannot go through even block by block.
[[nodiscard]] BufferPlan plan_buffers(const FuseJob& job, std::uint64_t memory,
                                      const std::string& device);

/// Values of all levels of a fold, one level after the other.
[[nodiscard]] std::uint64_t fold_values(std::uint64_t count) noexcept;
/// Rounded up to what allocate() rounds to.
[[nodiscard]] constexpr std::uint64_t aligned_bytes(std::uint64_t bytes) noexcept {
  constexpr std::uint64_t kGrain = 256;
  return (bytes + kGrain - 1) / kGrain * kGrain;
}
/// Blocks of kBlockElements that hold so many elements.
[[nodiscard]] std::uint64_t blocks_of(std::uint64_t elements);

/// Bytes that made deltas' tables take on the device.
[[nodiscard]] std::uint64_t table_bytes(const DeltaTables& tables) noexcept;

/// The device's side of one matrix. Its streams are ordered by three events.
struct MatrixBuffers {
  MatrixBuffers(SharedDevice& device, const BufferPlan& plan);
  /// Makes room for tables. What used the old ones must have ended.
  void reserve_tables(Device& device, std::uint64_t bytes);

  DeviceMemory weight{};
  DeviceMemory delta{};
  DeviceMemory weight_moments{};  ///< of all blocks of the matrix, then the levels of their fold
  DeviceMemory delta_moments{};
  DeviceMemory records{};
  DeviceMemory scaling{};
  DeviceMemory tables{};
  std::uint64_t tables_bytes = 0;

  Event filled;              ///< in: what was copied last is there
  Event computed;            ///< compute: nothing reads the tile any more, results are there
  Event emptied;             ///< out: tile and results are copied out
  bool was_emptied = false;  ///< whether `emptied` was ever recorded
};

template <class Value>
[[nodiscard]] Value* as(const DeviceMemory& memory) noexcept {
  return static_cast<Value*>(static_cast<void*>(memory.get()));
}

}  // namespace contourfuse::device
