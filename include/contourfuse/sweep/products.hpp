// Matrix products for the function metrics, wherever they are made.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace contourfuse {

/// A dense row-major f32 matrix; rows lie `stride` ≥ cols elements apart. Not owned.
struct FloatMatrix {
  const float* values = nullptr;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t stride = 0;
};

/// A sum of products A·Bᵀ that stays where the products are made.
class ProductSum {
 public:
  ProductSum() = default;
  ProductSum(const ProductSum&) = delete;
  ProductSum& operator=(const ProductSum&) = delete;
  virtual ~ProductSum() = default;
  /// Adds a·bᵀ; a is [rows, k], b is [cols, k].
  virtual void add(const FloatMatrix& a, const FloatMatrix& b) = 0;
  /// Copies the sum to `out`, row-major, rows × cols.
  virtual void read(std::span<float> out) const = 0;
};

/// f32 products with f32 sums. The same bits for any number of threads; another machine or another
/// library may round otherwise.
class Products {
 public:
  Products() = default;
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
  virtual ~Products() = default;
  /// out = a·bᵀ, row-major [a.rows, b.rows]; a and b have the same cols.
  virtual void multiply(const FloatMatrix& a, const FloatMatrix& b, std::span<float> out) = 0;
  /// A sum of that shape, 0 at first. It must not outlive this.
  [[nodiscard]] virtual std::unique_ptr<ProductSum> sum(std::uint64_t rows, std::uint64_t cols) = 0;
};

}  // namespace contourfuse
