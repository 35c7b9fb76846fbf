// Planted: one element too many, in global and in shared memory.
template <bool planted>
__global__ void copy_kernel(const float* in, unsigned count, float* out) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (planted ? at <= count : at < count) out[at] = in[at];
}

template <bool planted>
__global__ void shift_kernel(const float* in, unsigned count, float* out) {
  __shared__ float held[64];
  __shared__ float other[64];
  other[threadIdx.x] = 0;
  held[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  const unsigned next = planted ? threadIdx.x + 1 : (threadIdx.x + 1) % 64;
  if (threadIdx.x < count) out[threadIdx.x] = held[next] + other[threadIdx.x];
}

extern __shared__ float dynamic[];
template <bool planted>
__global__ void shift_dynamic_kernel(const float* in, unsigned count, float* out) {
  dynamic[planted ? threadIdx.x + 1 : threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < count) out[threadIdx.x] = dynamic[threadIdx.x ^ 1];
}

template __global__ void copy_kernel<false>(const float*, unsigned, float*);
template __global__ void copy_kernel<true>(const float*, unsigned, float*);
template __global__ void shift_kernel<false>(const float*, unsigned, float*);
template __global__ void shift_kernel<true>(const float*, unsigned, float*);
template __global__ void shift_dynamic_kernel<false>(const float*, unsigned, float*);
template __global__ void shift_dynamic_kernel<true>(const float*, unsigned, float*);
