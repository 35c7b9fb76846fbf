// Threads read what others wrote to shared memory; planted: without waiting for them.
template <bool planted>
__global__ void reverse_block_kernel(const int* in, int* out) {
  __shared__ int held[64];
  held[threadIdx.x] = in[threadIdx.x];
  if (!planted) __syncthreads();
  out[threadIdx.x] = held[63 - threadIdx.x];
}

template <bool planted>
__global__ void reverse_warp_kernel(const int* in, int* out) {
  __shared__ int held[32];
  held[threadIdx.x] = in[threadIdx.x];
  if (!planted) __syncwarp();
  out[threadIdx.x] = held[31 - threadIdx.x];
}

// The second barrier keeps a fast thread from overwriting what a slow one still reads.
template <bool planted>
__global__ void rotate_twice_kernel(const int* in, int* out) {
  __shared__ int held[64];
  int value = in[threadIdx.x];
  for (int turn = 0; turn < 2; ++turn) {
    held[threadIdx.x] = value;
    __syncthreads();
    value = held[(threadIdx.x + 1) % 64];
    if (!planted) __syncthreads();
  }
  out[threadIdx.x] = value;
}

template __global__ void reverse_block_kernel<false>(const int*, int*);
template __global__ void reverse_block_kernel<true>(const int*, int*);
template __global__ void reverse_warp_kernel<false>(const int*, int*);
template __global__ void reverse_warp_kernel<true>(const int*, int*);
template __global__ void rotate_twice_kernel<false>(const int*, int*);
template __global__ void rotate_twice_kernel<true>(const int*, int*);
