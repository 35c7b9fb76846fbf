// Four elements at a time; planted: without looking whether they are aligned for it.
template <bool planted>
__global__ void negate_kernel(const int* in, int* out) {
  const int first = 4 * static_cast<int>(threadIdx.x);
  const bool aligned = reinterpret_cast<unsigned long long>(in) % sizeof(int4) == 0;
  if (planted || aligned) {
    const int4 packet = *reinterpret_cast<const int4*>(in + first);
    out[first] = -packet.x;
    out[first + 1] = -packet.y;
    out[first + 2] = -packet.z;
    out[first + 3] = -packet.w;
  } else {
    for (int k = 0; k < 4; ++k) out[first + k] = -in[first + k];
  }
}

template __global__ void negate_kernel<false>(const int*, int*);
template __global__ void negate_kernel<true>(const int*, int*);
