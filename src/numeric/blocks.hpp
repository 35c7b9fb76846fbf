// What level files share about a block's elements. Included by them alone: like vectors.hpp, it is
// compiled once per level.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/numeric/moments.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

inline constexpr std::size_t kRows = kBlockElements / kLanes;
inline constexpr std::size_t kCacheLine = 64;

/// `elements` as a whole block: itself, or a copy in `padded` with zeros after the last.
template <class Stored>
const Stored* whole_block(const Stored* elements, std::size_t count, Stored* padded) {
  if (count == kBlockElements) return elements;
  std::memcpy(padded, elements, count * sizeof(Stored));
  std::memset(padded + count, 0, (kBlockElements - count) * sizeof(Stored));
  return padded;
}

/// Least and largest of elements, as integers in the order of their values (−0 before +0): minima
/// of floats have no fast form that is the same for zeros of both signs.
template <class Format>
struct Extremes {
  using Stored = typename Format::Stored;
  using Signed = std::make_signed_t<Stored>;
  static constexpr int kSignBit = std::numeric_limits<Signed>::digits;
  static constexpr Signed kMagnitude = std::numeric_limits<Signed>::max();

  Signed smallest = std::numeric_limits<Signed>::max();
  Signed largest = std::numeric_limits<Signed>::min();

  /// Its own inverse.
  static CONTOURFUSE_HOST_DEVICE Signed ordered(Signed bits) {
    return static_cast<Signed>(bits ^ ((bits >> kSignBit) & kMagnitude));
  }
  CONTOURFUSE_HOST_DEVICE void add(Stored element) {
    const Signed value = ordered(static_cast<Signed>(element));
    smallest = value < smallest ? value : smallest;
    largest = value > largest ? value : largest;
  }
  /// As `add` of each, where nothing was added before. Elements of both signs, the rule, need no
  /// reordering: of their bits the largest signed number is the largest element, the largest
  /// unsigned one the smallest.
  CONTOURFUSE_HOST_DEVICE void add_all(const Stored* __restrict elements, std::size_t count) {
    Signed as_signed = std::numeric_limits<Signed>::min();
    Stored as_unsigned = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = static_cast<Signed>(elements[i]);
      as_signed = value > as_signed ? value : as_signed;
      as_unsigned = elements[i] > as_unsigned ? elements[i] : as_unsigned;
    }
    if (as_signed >= 0 && as_unsigned > static_cast<Stored>(kMagnitude)) {
      largest = as_signed;
      smallest = ordered(static_cast<Signed>(as_unsigned));
      return;
    }
    for (std::size_t i = 0; i < count; ++i) add(elements[i]);
  }
  static CONTOURFUSE_HOST_DEVICE float widen(Signed value) {
    return Format::widen(static_cast<Stored>(ordered(value)));
  }
};

/// Makes `block` a whole block of finite elements: an element left out is a zero and adds nothing.
/// Returns the number and the extremes of those that are finite.
template <class Format>
BlockMoments make_finite_block(const typename Format::Stored*& block, std::size_t count,
                               typename Format::Stored* padded) {
  const auto* __restrict elements = block;
  Extremes<Format> extremes;
  extremes.add_all(elements, count);
  block = whole_block(elements, count, padded);
  BlockMoments result;
  result.finite = count;
  // Infinities and NaNs are beyond all others on either side.
  if (count > 0 && !(std::isfinite(extremes.widen(extremes.smallest)) &&
                     std::isfinite(extremes.widen(extremes.largest)))) {
    extremes = {};
    result.finite = 0;
    std::memmove(padded, block, kBlockElements * sizeof *padded);
    for (std::size_t i = 0; i < count; ++i) {
      if (Format::is_finite(padded[i])) {
        extremes.add(padded[i]);
        ++result.finite;
      } else {
        padded[i] = 0;
      }
    }
    block = padded;
  }
  if (result.finite > 0) {
    result.smallest = extremes.widen(extremes.smallest);
    result.largest = extremes.widen(extremes.largest);
  }
  return result;
}

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
