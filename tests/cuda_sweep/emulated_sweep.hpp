// A sweep backend on emulated devices, and what it must agree with.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/grid_fixture.hpp"
#include "backend/cuda/pipeline/emulated_device.hpp"
#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"
#include "cuda_sweep/host_grid_algorithms.hpp"
#include "cuda_sweep/same_grid.hpp"
#include "grid/device_sweep_backend.hpp"

namespace contourfuse::test {

inline device::SweepDevice emulated_sweep_device(const EmulatedDeviceOptions& options,
                                                 DeviceLedger& ledger) {
  device::SweepDevice parts;
  parts.device =
      std::make_unique<device::SharedDevice>(std::make_unique<EmulatedDevice>(options, ledger));
  parts.make_algorithms = make_host_grid_algorithms;
  parts.make_multiplier = make_host_multiplier;
  return parts;
}

/// A backend on devices, of which nothing is left behind.
class EmulatedSweep {
 public:
  explicit EmulatedSweep(
      const std::vector<EmulatedDeviceOptions>& devices = {EmulatedDeviceOptions{}},
      const DeviceSweepOptions& options = small()) {
    std::vector<device::SweepDevice> parts;
    for (const EmulatedDeviceOptions& each : devices) {
      parts.push_back(emulated_sweep_device(each, ledger));
    }
    backend = make_device_sweep_backend(std::move(parts), options);
  }
  EmulatedSweep(const EmulatedSweep&) = delete;
  EmulatedSweep& operator=(const EmulatedSweep&) = delete;
  ~EmulatedSweep() {
    backend.reset();
    EXPECT_EQ(ledger.allocations, 0);
    EXPECT_EQ(ledger.violations, 0);
  }

  /// Transfers of many pieces.
  static DeviceSweepOptions small() {
    return {.pinned_bytes = 8192, .lanes = 1, .slice_elements = device::kGridRangeElements};
  }

  DeviceLedger ledger{};
  std::unique_ptr<SweepBackend> backend{};
};

}  // namespace contourfuse::test
