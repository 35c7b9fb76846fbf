// Products of matrices in a device's memory. The real device has cuBLAS; tests have loops.
#pragma once

#include <cstdint>

namespace contourfuse::device {

/// out = Aᵀ·B, or that added to out. Everything is column-major: A is [inner, rows], B is [inner,
/// cols] and out is [rows, cols], all without gaps.
struct MultiplyCall {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t inner = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* out = nullptr;
  bool adds = false;
};

/// Work is done in the order of the device's Stream::kCompute; calls return before or after its
/// end. Every call that fails throws Error{kFailed, "device-failed"}.
class MatrixMultiplier {
 public:
  MatrixMultiplier() = default;
  MatrixMultiplier(const MatrixMultiplier&) = delete;
  MatrixMultiplier& operator=(const MatrixMultiplier&) = delete;
  virtual ~MatrixMultiplier() = default;
  virtual void multiply(const MultiplyCall& call) = 0;
};

}  // namespace contourfuse::device
