// The algorithms of a grid and matrix products on an emulated device.
#pragma once

#include <memory>

#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"
#include "grid/matrix_multiplier.hpp"

namespace contourfuse::test {

/// By Thrust's C++ backend. Before each call the device does what Stream::kCompute was told, and no
/// more of its other work than that needs.
[[nodiscard]] std::unique_ptr<device::GridAlgorithms> make_host_grid_algorithms(
    device::Device& device, device::DevicePool& pool);

/// Loops, with sums in f32 from the first element on.
[[nodiscard]] std::unique_ptr<device::MatrixMultiplier> make_host_multiplier(
    device::Device& device);

}  // namespace contourfuse::test
