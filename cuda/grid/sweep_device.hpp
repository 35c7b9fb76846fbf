// A device of a sweep, and how what works on it is made.
#pragma once

#include <functional>
#include <memory>

#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"
#include "grid/matrix_multiplier.hpp"
#include "pipeline/shared_device.hpp"

namespace contourfuse::device {

/// What is made does not outlive the device.
struct SweepDevice {
  std::unique_ptr<SharedDevice> device{};
  std::function<std::unique_ptr<GridAlgorithms>(Device&, DevicePool&)> make_algorithms{};
  /// Throws Error{kBadInput, "device-unavailable"} where there is no library for it.
  std::function<std::unique_ptr<MatrixMultiplier>(Device&)> make_multiplier{};
};

}  // namespace contourfuse::device
