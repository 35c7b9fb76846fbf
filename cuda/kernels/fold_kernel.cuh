// The pairwise fold of block results, eight at a time.
#pragma once

#include <cstdint>

#include "kernels/arguments.hpp"
#include "kernels/device.cuh"

namespace contourfuse::device {

inline constexpr std::uint32_t kFoldThreads = 64;

/// numeric's `fold_pairwise` of the first `count` ≥ 1 of 2^levels values, as the tree that it is.
template <std::uint32_t levels, class Value>
CONTOURFUSE_DEVICE Value fold_run(const Value* values, std::uint64_t count) {
  if constexpr (levels == 0) {
    return values[0];
  } else {
    constexpr std::uint64_t kHalf = std::uint64_t{1} << (levels - 1);
    const Value first = fold_run<levels - 1>(values, count);
    if (count <= kHalf) return first;
    return first + fold_run<levels - 1>(values + kHalf, count - kHalf);
  }
}

/// folded[i] = the fold of values [8i, 8i + 8) of `count`. Launched again on what it gives until
/// one value is left. Grid: a thread per result. The arrays must not overlap.
template <class Value>
CONTOURFUSE_KERNEL void CONTOURFUSE_BOUNDS(kFoldThreads)
    fold_kernel(const Value* values, std::uint64_t count, Value* folded) {
  const std::uint64_t run = std::uint64_t{block_index()} * block_threads() + thread_index();
  const std::uint64_t first = run * kFoldRun;
  if (first >= count) return;
  folded[run] = fold_run<kFoldLevels>(values + first, count - first);
}

}  // namespace contourfuse::device
