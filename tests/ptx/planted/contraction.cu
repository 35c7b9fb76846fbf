// A product and a sum, each rounded: nvcc's own default makes one rounding of them.
__global__ void contour_kernel(const float* weight, const float* delta, float alpha, float* out) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  const float t = alpha * delta[at];
  out[at] = weight[at] + t * weight[at];
}
