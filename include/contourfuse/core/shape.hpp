// Tensor shapes and the checked arithmetic that untrusted sizes need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace contourfuse {

/// Extents, outermost first; empty for a scalar.
using Shape = std::vector<std::uint64_t>;

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a,
                                                                      std::uint64_t b) noexcept {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a,
                                                                 std::uint64_t b) noexcept {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// Product of the extents (1 for a scalar, 0 if any extent is 0), or nothing on overflow.
[[nodiscard]] std::optional<std::uint64_t> element_count(const Shape& shape) noexcept;

/// "[5376, 21504]".
[[nodiscard]] std::string to_string(const Shape& shape);

}  // namespace contourfuse
