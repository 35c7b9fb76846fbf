// How kernels are launched.
#pragma once

#include <cstdint>
#include <string>

#include "contourfuse/numeric/moments.hpp"

namespace contourfuse::device {

/// Threads of a CUDA block, per kernel.
struct LaunchPolicy {
  std::uint32_t moments = 256;
  std::uint32_t scf = 128;  ///< its sums take about 130 registers a thread
  std::uint32_t fold = 64;
  std::uint32_t generate = 256;
};

/// CUDA blocks of `threads` for a thread per item.
[[nodiscard]] constexpr std::uint64_t blocks_of_threads(std::uint64_t items,
                                                        std::uint32_t threads) {
  return (items + threads - 1) / threads;
}
/// CUDA blocks of `threads` for a warp per moment block of `elements`.
[[nodiscard]] constexpr std::uint64_t blocks_of_warps(std::uint64_t elements,
                                                      std::uint32_t threads) {
  constexpr std::uint32_t kWarp = 32;
  return blocks_of_threads((elements + kBlockElements - 1) / kBlockElements, threads / kWarp);
}

}  // namespace contourfuse::device
