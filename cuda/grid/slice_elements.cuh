// One element of a slice at one value of an axis, for types that are known when it runs: so every
// algorithm is compiled once.
#pragma once

#include <cmath>
#include <cstdint>

#include "contourfuse/numeric/change_odds.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "grid/grid_algorithms.hpp"

namespace contourfuse::device {

/// The result of use(Format{}) for an editable type.
template <class Use>
CONTOURFUSE_HOST_DEVICE auto use_format(DType dtype, Use use) {
  if (dtype == DType::kF16) return use(F16{});
  if (dtype == DType::kF32) return use(F32{});
  return use(Bf16{});
}

/// Widens element `index` of stored elements.
struct WidenElement {
  const void* elements;
  std::uint64_t index;

  template <class Format>
  CONTOURFUSE_HOST_DEVICE float operator()(Format /*format*/) const {
    return Format::widen(static_cast<const typename Format::Stored*>(elements)[index]);
  }
};

/// Whether the result of a contour, rounded to nearest, has other bits than a weight that came from
/// a stored element.
struct ChangesWeight {
  float contour;
  float weight;

  template <class Format>
  CONTOURFUSE_HOST_DEVICE bool operator()(Format /*format*/) const {
    return Format::narrow(apply_contour(contour, weight)) != Format::narrow(weight);
  }
};

/// As numeric's change_odds.
struct OddsOfChange {
  float contour;
  float weight;

  template <class Format>
  CONTOURFUSE_HOST_DEVICE std::uint64_t operator()(Format /*format*/) const {
    return change_odds<Format>(apply_contour(contour, weight), Format::narrow(weight));
  }
};

/// A weight and its delta, widened.
struct ElementPair {
  float weight;
  float delta;

  CONTOURFUSE_HOST_DEVICE ElementPair(const GridSlice& slice, std::uint64_t index)
      : weight(use_format(slice.weight_dtype, WidenElement{slice.weight, index})),
        delta(use_format(slice.delta_dtype, WidenElement{slice.delta, index})) {}

  [[nodiscard]] CONTOURFUSE_HOST_DEVICE float contour(ScfRole role, float parameter) const {
    return role == ScfRole::kDown ? contour_down(delta, parameter) : contour_gate(delta, parameter);
  }
};

/// What a spectrum asks of an element at a point. Whatever is true at one point of a group is true
/// at all that follow, as PointGroup says.
struct Happens {
  const GridSlice& slice;
  const ElementPair& pair;
  Spectrum spectrum;

  CONTOURFUSE_HOST_DEVICE bool operator()(float parameter) const {
    if (spectrum == Spectrum::kWithin) return !is_clamped(pair.delta, parameter);
    const float contour = pair.contour(slice.role, parameter);
    if (spectrum == Spectrum::kMoved) return moves(contour, pair.weight) != 0;
    if (spectrum == Spectrum::kFlipped) return flips_sign(contour, pair.weight) != 0;
    return use_format(slice.weight_dtype, ChangesWeight{contour, pair.weight});
  }
};

/// The first of `count` points at which it happens; `count` for none.
CONTOURFUSE_HOST_DEVICE std::uint32_t first_point(const Happens& happens, const float* points,
                                                  std::uint32_t count) {
  std::uint32_t low = 0;
  std::uint32_t high = count;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (happens(points[middle])) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace contourfuse::device
