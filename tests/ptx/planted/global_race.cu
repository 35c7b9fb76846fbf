// Threads of all blocks add to one number; planted: with a plain load and store.
template <bool planted>
__global__ void add_up_kernel(const unsigned* in, unsigned* sum) {
  const unsigned value = in[blockIdx.x * blockDim.x + threadIdx.x];
  if (planted) {
    *sum += value;
  } else {
    atomicAdd(sum, value);
  }
}

// Each thread writes its own place; planted: neighbours share one.
template <bool planted>
__global__ void scatter_kernel(const unsigned* in, unsigned* out) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  out[planted ? at / 2 : at] = in[at];
}

// What one block wrote is read by another.
template <bool planted>
__global__ void neighbour_kernel(const unsigned* in, unsigned* out) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  out[at] = in[at];
  __syncthreads();
  if (planted ? blockIdx.x == 1 && threadIdx.x == 0 : threadIdx.x == 1) out[at] += out[at - 1];
}

template __global__ void add_up_kernel<false>(const unsigned*, unsigned*);
template __global__ void add_up_kernel<true>(const unsigned*, unsigned*);
template __global__ void scatter_kernel<false>(const unsigned*, unsigned*);
template __global__ void scatter_kernel<true>(const unsigned*, unsigned*);
template __global__ void neighbour_kernel<false>(const unsigned*, unsigned*);
template __global__ void neighbour_kernel<true>(const unsigned*, unsigned*);
