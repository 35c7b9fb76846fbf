// Input and output may be one array only where the input is not promised to be read-only.
template <bool planted>
__global__ void double_kernel(const float* in, float* out) {
  out[threadIdx.x] = 2 * in[threadIdx.x];
}

template <>
__global__ void double_kernel<true>(const float* __restrict__ in, float* __restrict__ out) {
  out[threadIdx.x] = 2 * in[threadIdx.x];
}

template __global__ void double_kernel<false>(const float*, float*);
