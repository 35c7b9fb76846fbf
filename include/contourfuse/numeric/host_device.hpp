// One spelling for functions that the CPU and the GPU share.
#pragma once

/// Marks a function of `numeric`: callable from device code under nvcc, and always inlined, so that
/// a translation unit built for a higher instruction-set level leaks no symbol of it.
#if defined(__CUDACC__)
#define CONTOURFUSE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define CONTOURFUSE_HOST_DEVICE inline __attribute__((always_inline))
#endif
