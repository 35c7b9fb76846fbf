// Matrix products on a device, for operands and results on the host.
#pragma once

#include <cstdint>
#include <memory>

#include "contourfuse/sweep/products.hpp"
#include "grid/device_pool.hpp"
#include "grid/staging.hpp"
#include "grid/sweep_device.hpp"

namespace contourfuse::device {

/// For one thread at a time. Operands go over the bus for every product. The device outlives it.
class DeviceProducts final : public Products {
 public:
  DeviceProducts(const SweepDevice& on, std::uint64_t pinned_bytes);
  void multiply(const FloatMatrix& a, const FloatMatrix& b, std::span<float> out) override;
  [[nodiscard]] std::unique_ptr<ProductSum> sum(std::uint64_t rows, std::uint64_t cols) override;

 private:
  class Sum;
  /// out = a·bᵀ, row-major, or that added to out.
  void multiply_into(const FloatMatrix& a, const FloatMatrix& b, const PooledMemory& out,
                     bool adds);
  [[nodiscard]] PooledMemory send(const FloatMatrix& matrix);

  DevicePool pool_;
  std::unique_ptr<MatrixMultiplier> multiplier_;
  Staging staging_;  // last: it waits for all work before the rest goes
};

}  // namespace contourfuse::device
