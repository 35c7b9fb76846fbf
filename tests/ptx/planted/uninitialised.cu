// Planted: a part of what is read was never written.
template <bool planted>
__global__ void mirror_kernel(const int* in, int* out) {
  __shared__ int held[64];
  const int at = static_cast<int>(threadIdx.x);
  if (!planted || at != 63) held[at] = in[at];
  __syncthreads();
  out[at] = held[63 - at];
}

template __global__ void mirror_kernel<false>(const int*, int*);
template __global__ void mirror_kernel<true>(const int*, int*);
