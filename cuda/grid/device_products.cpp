// Matrix products on a device, for operands and results on the host.
#include "grid/device_products.hpp"

#include <algorithm>
#include <cstring>

namespace contourfuse::device {
namespace {

bool is_empty(const FloatMatrix& a, const FloatMatrix& b) {
  return a.rows == 0 || b.rows == 0 || a.cols == 0;
}

}  // namespace

class DeviceProducts::Sum final : public ProductSum {
 public:
  Sum(DeviceProducts& products, std::uint64_t values) : products_(products), values_(values) {}

  void add(const FloatMatrix& a, const FloatMatrix& b) override {
    if (is_empty(a, b)) return;
    const bool adds = memory_.get() != nullptr;
    if (!adds) memory_ = PooledMemory(products_.pool_, values_ * sizeof(float));
    products_.multiply_into(a, b, memory_, adds);
  }

  void read(std::span<float> out) const override {
    if (memory_.get() == nullptr) {
      std::ranges::fill(out, 0.0F);
    } else {
      products_.staging_.receive(memory_.get(), std::as_writable_bytes(out));
    }
  }

 private:
  DeviceProducts& products_;
  std::uint64_t values_;
  PooledMemory memory_{};  // none: the sum is 0
};

DeviceProducts::DeviceProducts(const SweepDevice& on, std::uint64_t pinned_bytes)
    : pool_(*on.device),
      multiplier_(on.make_multiplier(*on.device)),
      staging_(*on.device, slot_bytes(pinned_bytes)) {}

/// Row after row, without gaps.
PooledMemory DeviceProducts::send(const FloatMatrix& matrix) {
  const std::uint64_t row_bytes = matrix.cols * sizeof(float);
  PooledMemory memory(pool_, matrix.rows * row_bytes);
  const auto fill = [&](std::uint64_t at, std::span<std::byte> out) {
    for (std::uint64_t done = 0; done < out.size();) {
      const std::uint64_t row = (at + done) / row_bytes;
      const std::uint64_t begin = (at + done) % row_bytes;
      const std::uint64_t bytes = std::min(row_bytes - begin, out.size() - done);
      std::memcpy(out.data() + done, matrix.values + row * matrix.stride + begin / sizeof(float),
                  bytes);
      done += bytes;
    }
  };
  staging_.send(memory.get(), matrix.rows * row_bytes, sizeof(float), fill);
  return memory;
}

void DeviceProducts::multiply_into(const FloatMatrix& a, const FloatMatrix& b,
                                   const PooledMemory& out, bool adds) {
  const PooledMemory a_memory = send(a);
  const PooledMemory b_memory = send(b);
  // Rows in memory are columns to the library: it sees aᵀ and bᵀ, and is to make outᵀ = b·aᵀ.
  multiplier_->multiply({.rows = b.rows,
                         .cols = a.rows,
                         .inner = a.cols,
                         .a = b_memory.as<float>(),
                         .b = a_memory.as<float>(),
                         .out = out.as<float>(),
                         .adds = adds});
  staging_.finish();  // the operands' memory is lent again
}

void DeviceProducts::multiply(const FloatMatrix& a, const FloatMatrix& b, std::span<float> out) {
  if (is_empty(a, b)) {
    std::ranges::fill(out, 0.0F);
    return;
  }
  const PooledMemory memory(pool_, out.size_bytes());
  multiply_into(a, b, memory, false);
  staging_.receive(memory.get(), std::as_writable_bytes(out));
}

std::unique_ptr<ProductSum> DeviceProducts::sum(std::uint64_t rows, std::uint64_t cols) {
  return std::make_unique<Sum>(*this, rows * cols);
}

}  // namespace contourfuse::device
