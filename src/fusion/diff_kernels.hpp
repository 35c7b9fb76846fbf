// Sums over two ranges of elements that differ, per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// Over elements a and b; c = b − a, formed in f64.
struct DiffSums {
  double a2 = 0;          ///< Σa²
  double b2 = 0;          ///< Σb²
  double change2 = 0;     ///< Σc²
  double product = 0;     ///< Σa·b
  double max_change = 0;  ///< max |c|
};
CONTOURFUSE_HOST_DEVICE DiffSums operator+(const DiffSums& x, const DiffSums& y) {
  return {x.a2 + y.a2, x.b2 + y.b2, x.change2 + y.change2, x.product + y.product,
          x.max_change > y.max_change ? x.max_change : y.max_change};
}

/// Elements of a range: 32 blocks of the moment scheme, so a range's sum is a subtree of it.
inline constexpr std::uint64_t kRangeElements = std::uint64_t{1} << 18;

struct DiffKernels {
  /// Sums by the moment scheme over `count` ≤ kRangeElements elements of an editable type.
  DiffSums (*sums)(DType dtype, const std::byte* a, const std::byte* b, std::size_t count);
  /// The same as sums() with b = a.
  DiffSums (*sums_of_equal)(DType dtype, const std::byte* a, std::size_t count);
  /// Elements of `bits` 8, 16, 32 or 64 whose bits differ.
  std::uint64_t (*count_changed)(std::uint64_t bits, const std::byte* a, const std::byte* b,
                                 std::size_t count);
};

/// The best level of this processor.
[[nodiscard]] const DiffKernels& best_diff_kernels() noexcept;

}  // namespace contourfuse
