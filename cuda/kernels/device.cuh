// What the kernels ask of the machine that runs them: CUDA, or its stand-in on the host
// (tests/host_cuda).
#pragma once

#include <cstdint>

#if defined(CONTOURFUSE_HOST_CUDA)

#include "host_cuda/device_runtime.hpp"

#define CONTOURFUSE_BOUNDS(threads)
#define CONTOURFUSE_UNROLL(times)

#else

#define CONTOURFUSE_KERNEL __global__
#define CONTOURFUSE_DEVICE __device__ __forceinline__
/// The largest block that a kernel is launched with, and that one is enough: ptxas then spills
/// nothing.
#define CONTOURFUSE_BOUNDS(threads) __launch_bounds__(threads, 1)
#define CONTOURFUSE_PRAGMA(text) _Pragma(#text)
#define CONTOURFUSE_UNROLL(times) CONTOURFUSE_PRAGMA(unroll times)

namespace contourfuse::device {

inline constexpr unsigned kFullWarp = 0xFFFFFFFFU;

CONTOURFUSE_DEVICE std::uint32_t thread_index() { return threadIdx.x; }
CONTOURFUSE_DEVICE std::uint32_t block_index() { return blockIdx.x; }
CONTOURFUSE_DEVICE std::uint32_t block_threads() { return blockDim.x; }

/// Of the full warp; lanes whose source lies past it keep their own value.
template <class Value>
CONTOURFUSE_DEVICE Value shuffle_down(Value value, std::uint32_t delta) {
  return __shfl_down_sync(kFullWarp, value, delta);
}

}  // namespace contourfuse::device

#endif
