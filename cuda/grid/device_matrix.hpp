// The covered elements of a matrix and its delta on a device, a slice at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"
#include "grid/staging.hpp"

namespace contourfuse::device {

/// Covered elements [first, first + out.size() / element bytes) of the weight, as stored; from as
/// many threads as there are.
void read_weight(const GridJob& job, std::uint64_t first, std::span<std::byte> out);
/// Likewise of the delta.
void read_delta(const GridJob& job, std::uint64_t first, std::span<std::byte> out);

class DeviceMatrix {
 public:
  /// Slices of `slice_elements`, a multiple of a range. Stays on the device if it takes at most
  /// `memory` bytes; else every slice is read again whenever it is asked for.
  DeviceMatrix(DevicePool& pool, Staging& staging, const GridJob& job, std::uint64_t slice_elements,
               std::uint64_t memory);

  [[nodiscard]] std::uint64_t slices() const noexcept;
  /// The largest slice's elements.
  [[nodiscard]] std::uint64_t most_elements() const noexcept;
  /// For work of Stream::kCompute; that with the slice before has ended, since its place may be
  /// taken.
  [[nodiscard]] GridSlice slice(std::uint64_t number);

 private:
  Staging& staging_;
  const GridJob& job_;
  const std::uint64_t slice_elements_;
  const bool stays_;
  std::uint64_t arrived_ = 0;  ///< slices that stay
  PooledMemory weight_;
  PooledMemory delta_;
};

}  // namespace contourfuse::device
