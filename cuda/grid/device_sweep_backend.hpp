// The sweep backend over devices.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "contourfuse/sweep/backend.hpp"
#include "grid/sweep_device.hpp"

namespace contourfuse {

struct DeviceSweepOptions {
  std::uint64_t pinned_bytes = std::uint64_t{64} << 20;  ///< for all devices together
  /// Measurements on one device at a time: while one reads, others copy and compute.
  std::uint64_t lanes = 3;
  /// Elements that are counted at a time, a multiple of 2^20.
  std::uint64_t slice_elements = std::uint64_t{1} << 24;
  /// Of each device's memory, at most.
  std::uint64_t device_bytes = std::numeric_limits<std::uint64_t>::max();
};

/// Grids have the bits of the CPU's. A call to measure is done by one lane of one device; as many
/// calls at once as there are lanes use all devices. Products are made on one device, the next one
/// for each call to products. Needs one device or more.
[[nodiscard]] std::unique_ptr<SweepBackend> make_device_sweep_backend(
    std::vector<device::SweepDevice> devices, const DeviceSweepOptions& options);

}  // namespace contourfuse
