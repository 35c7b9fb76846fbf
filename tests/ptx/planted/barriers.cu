// Barriers that not all threads of a block come to.
template <bool planted>
__global__ void early_exit_kernel(const int* in, int count, int* out) {
  __shared__ int held[64];
  const int at = static_cast<int>(threadIdx.x);
  if (planted && at >= count) return;
  held[at] = in[at];
  __syncthreads();
  if (at < count) out[at] = held[count - 1 - at];
}

template <bool planted>
__global__ void two_barriers_kernel(const int* in, int count, int* out) {
  __shared__ int held[64];
  const int at = static_cast<int>(threadIdx.x);
  held[at] = in[at];
  if (!planted) {
    __syncthreads();
    out[at] = at < 32 ? held[63 - at] : -held[63 - at];
  } else if (at < 32) {
    __syncthreads();
    out[at] = held[63 - at];
  } else {
    held[at] += count;
    __syncthreads();
    out[at] = -held[63 - at];
  }
}

// Planted: half of a warp shuffles with the other half, which waits elsewhere.
template <bool planted>
__global__ void half_shuffle_kernel(const int* in, int count, int* out) {
  const int at = static_cast<int>(threadIdx.x);
  int value = in[at];
  if (!planted || at % 32 < count) value += __shfl_xor_sync(0xFFFFFFFFU, value, 16);
  __syncthreads();
  out[at] = value;
}

template __global__ void early_exit_kernel<false>(const int*, int, int*);
template __global__ void early_exit_kernel<true>(const int*, int, int*);
template __global__ void two_barriers_kernel<false>(const int*, int, int*);
template __global__ void two_barriers_kernel<true>(const int*, int, int*);
template __global__ void half_shuffle_kernel<false>(const int*, int, int*);
template __global__ void half_shuffle_kernel<true>(const int*, int, int*);
