// Products of matrices by cuBLAS.
#pragma once

#include <memory>

#include "device/cuda_device.hpp"
#include "grid/matrix_multiplier.hpp"

namespace contourfuse::device {

/// In f32 throughout: no TF32, no split sums in another type. The same bits for the same device and
/// library. The device outlives it. Throws Error{kBadInput, "device-unavailable"} without cuBLAS.
[[nodiscard]] std::unique_ptr<MatrixMultiplier> make_cublas_multiplier(CudaDevice& device);

}  // namespace contourfuse::device
