// One matrix at every value of its axis, on a device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "contourfuse/sweep/grid_rules.hpp"
#include "grid/device_matrix.hpp"
#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"
#include "grid/grid_buffers.hpp"
#include "grid/staging.hpp"

namespace contourfuse::device {

/// What measuring needs of a device.
struct GridDevice {
  Device& device;
  DevicePool& pool;
  GridAlgorithms& algorithms;
  Staging& staging;
};

/// What is done at a time, and how much of the device's memory is left for the matrix.
struct SlicePlan {
  std::uint64_t elements = 0;  ///< a multiple of a range
  std::uint64_t matrix_bytes = 0;
};

/// Slices of up to `most_elements`, in `memory` bytes of the device. Throws
/// Error{kFailed, "device-memory"} if that is too little.
[[nodiscard]] SlicePlan plan_slices(const std::string& device, const GridJob& job,
                                    std::uint64_t most_elements, std::uint64_t memory);

/// Counts and sums of one job, the same bits as the CPU's.
class DeviceGrid {
 public:
  DeviceGrid(const GridDevice& on, const GridJob& job, const Execution& execution,
             const SlicePlan& plan);
  DeviceGrid(const DeviceGrid&) = delete;
  DeviceGrid& operator=(const DeviceGrid&) = delete;
  ~DeviceGrid() { on_.device.drain(); }
  [[nodiscard]] MatrixGrid run();

 private:
  void measure_moments();
  void measure_moments(const GridSlice& slice);
  void check_elements(float parameter) const;
  void tally(const GridSlice& slice);
  void tally(const GridSlice& slice, const PointGroup& group, GroupTally& tally);
  void add_spectra(const GridSlice& slice, const PointGroup& group, GroupTally& tally);
  void add_gate_sums(const GridSlice& slice, const PointGroup& group, GroupTally& tally);
  void add_odds(const GridSlice& slice, const PointGroup& group, GroupTally& tally);

  GridDevice on_;
  const GridJob& job_;
  const Execution& execution_;
  DeviceMatrix matrix_;
  GridBuffers buffers_;
  GridMoments moments_{};
  std::vector<GridMoments> blocks_{};
  std::vector<PointGroup> groups_{};
  std::vector<GroupTally> tallies_{};  ///< accumulated
};

}  // namespace contourfuse::device
