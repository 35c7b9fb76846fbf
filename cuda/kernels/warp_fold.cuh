// Sums of a warp's block: the 256 lanes of the moment scheme, eight in each thread.
#pragma once

#include <cstdint>

#include "kernels/elements.cuh"

namespace contourfuse::device {

/// The fold by halves of numeric's `fold_lanes`: thread t holds lanes 8t … 8t+7, so halves of 8 or
/// more lanes lie in other threads and smaller ones in the thread itself. Valid in lane 0.
CONTOURFUSE_DEVICE double fold_warp_lanes(double (&lanes)[kThreadElements]) {
  CONTOURFUSE_UNROLL(5)
  for (std::uint32_t threads = kWarpThreads / 2; threads > 0; threads /= 2) {
    CONTOURFUSE_UNROLL(8)
    for (std::uint32_t k = 0; k < kThreadElements; ++k) {
      lanes[k] = lanes[k] + shuffle_down(lanes[k], threads);
    }
  }
  CONTOURFUSE_UNROLL(3)
  for (std::uint32_t half = kThreadElements / 2; half > 0; half /= 2) {
    CONTOURFUSE_UNROLL(4)
    for (std::uint32_t k = 0; k < half; ++k) lanes[k] = lanes[k] + lanes[k + half];
  }
  return lanes[0];
}

template <class Value, class Combine>
CONTOURFUSE_DEVICE Value combine_warp(Value value, Combine combine) {
  CONTOURFUSE_UNROLL(5)
  for (std::uint32_t threads = kWarpThreads / 2; threads > 0; threads /= 2) {
    value = combine(value, shuffle_down(value, threads));
  }
  return value;
}

struct Add {
  template <class Value>
  CONTOURFUSE_DEVICE Value operator()(Value a, Value b) const {
    return a + b;
  }
};
struct Smaller {
  template <class Value>
  CONTOURFUSE_DEVICE Value operator()(Value a, Value b) const {
    return b < a ? b : a;
  }
};
struct Larger {
  template <class Value>
  CONTOURFUSE_DEVICE Value operator()(Value a, Value b) const {
    return b > a ? b : a;
  }
};

}  // namespace contourfuse::device
