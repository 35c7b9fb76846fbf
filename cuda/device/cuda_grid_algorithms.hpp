// The algorithms of a grid on a CUDA device.
#pragma once

#include <memory>

#include "device/cuda_device.hpp"
#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"

namespace contourfuse::device {

/// Temporary memory comes from the pool. Both outlive the algorithms.
[[nodiscard]] std::unique_ptr<GridAlgorithms> make_cuda_grid_algorithms(CudaDevice& device,
                                                                        DevicePool& pool);

}  // namespace contourfuse::device
