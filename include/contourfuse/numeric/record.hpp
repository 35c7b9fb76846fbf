// The per-matrix record: exact counts, and sums by the moment scheme.
#pragma once

#include <cstdint>
#include <limits>

#include "contourfuse/numeric/host_device.hpp"

namespace contourfuse {

/// What is counted of one element, t its contour and w its weight. `Real` is float, or a vector of
/// floats, and the answer a truth value of each.
template <class Real>
CONTOURFUSE_HOST_DEVICE auto moves(Real contour, Real weight) {
  return (contour != 0.0F) & (weight != 0.0F);
}
template <class Real>
CONTOURFUSE_HOST_DEVICE auto is_clamped(Real delta, Real gamma) {
  return (delta < -gamma) | (delta > gamma);
}
template <class Real>
CONTOURFUSE_HOST_DEVICE auto flips_sign(Real contour, Real weight) {
  return (contour < -1.0F) & (weight != 0.0F);
}

/// Over covered elements; w the weight, w′ the stored result, t the contour, c = w′ − w in f64.
struct RecordCounts {
  std::uint64_t moved = 0;         ///< t ≠ 0 and w ≠ 0
  std::uint64_t changed = 0;       ///< stored bits differ
  std::uint64_t lost = 0;          ///< moved, and the stored bits are still those of w
  std::uint64_t clamped = 0;       ///< gate: |d| > γ
  std::uint64_t sign_flips = 0;    ///< t < −1 and w ≠ 0
  std::uint64_t zero_weights = 0;  ///< w = ±0
  std::uint64_t nonfinite_kept = 0;
};
CONTOURFUSE_HOST_DEVICE RecordCounts operator+(const RecordCounts& a, const RecordCounts& b) {
  return {a.moved + b.moved,
          a.changed + b.changed,
          a.lost + b.lost,
          a.clamped + b.clamped,
          a.sign_flips + b.sign_flips,
          a.zero_weights + b.zero_weights,
          a.nonfinite_kept + b.nonfinite_kept};
}

struct RecordSums {
  double weight2 = 0;     ///< Σw²
  double out2 = 0;        ///< Σw′²
  double change2 = 0;     ///< Σc²
  double change = 0;      ///< Σc
  double weight_out = 0;  ///< Σw·w′
  double max_change = 0;  ///< max |c|
};
CONTOURFUSE_HOST_DEVICE RecordSums operator+(const RecordSums& a, const RecordSums& b) {
  return {a.weight2 + b.weight2,       a.out2 + b.out2,
          a.change2 + b.change2,       a.change + b.change,
          a.weight_out + b.weight_out, a.max_change > b.max_change ? a.max_change : b.max_change};
}

/// Elements that are not finite, or whose result is not.
struct BadElements {
  std::uint64_t count = 0;
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();  ///< row-major in the matrix

  CONTOURFUSE_HOST_DEVICE void add(std::uint64_t index) {
    ++count;
    if (index < first) first = index;
  }
};
CONTOURFUSE_HOST_DEVICE BadElements operator+(const BadElements& a, const BadElements& b) {
  return {a.count + b.count, a.first < b.first ? a.first : b.first};
}

/// The record of some elements: one block, or all.
struct Record {
  RecordCounts counts{};
  RecordSums sums{};
  BadElements bad{};
};
CONTOURFUSE_HOST_DEVICE Record operator+(const Record& a, const Record& b) {
  return {a.counts + b.counts, a.sums + b.sums, a.bad + b.bad};
}

}  // namespace contourfuse
