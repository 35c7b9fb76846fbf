// Element counts and text of shapes.
#include "contourfuse/core/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace contourfuse {

std::optional<std::uint64_t> element_count(const Shape& shape) noexcept {
  // A zero makes the product 0 even where the other extents alone would overflow.
  if (std::ranges::find(shape, 0U) != shape.end()) return 0;
  std::uint64_t product = 1;
  for (const std::uint64_t extent : shape) {
    if (__builtin_mul_overflow(product, extent, &product)) return std::nullopt;
  }
  return product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace contourfuse
