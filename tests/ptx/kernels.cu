// Every kernel of the CUDA backend that there is, for one PTX text.
#include "contourfuse/numeric/float_formats.hpp"
#include "kernels/fold_kernel.cuh"
#include "kernels/generate_kernel.cuh"
#include "kernels/moments_kernel.cuh"
#include "kernels/scf_kernel.cuh"
#include "kernels/settle_kernel.cuh"

namespace contourfuse::device {

template __global__ void moments_kernel<Bf16>(const std::uint16_t*, std::uint64_t, BlockMoments*);
template __global__ void moments_kernel<F16>(const std::uint16_t*, std::uint64_t, BlockMoments*);
template __global__ void moments_kernel<F32>(const std::uint32_t*, std::uint64_t, BlockMoments*);
template __global__ void fold_kernel<BlockMoments>(const BlockMoments*, std::uint64_t,
                                                   BlockMoments*);
template __global__ void fold_kernel<Record>(const Record*, std::uint64_t, Record*);

// Taking an address instantiates the kernel.
template <class Weight, class Delta>
struct ScfKernels {
  void* each[4] = {reinterpret_cast<void*>(&scf_kernel<Weight, Delta, ScfRole::kGate, false>),
                   reinterpret_cast<void*>(&scf_kernel<Weight, Delta, ScfRole::kGate, true>),
                   reinterpret_cast<void*>(&scf_kernel<Weight, Delta, ScfRole::kDown, false>),
                   reinterpret_cast<void*>(&scf_kernel<Weight, Delta, ScfRole::kDown, true>)};
};
ScfKernels<Bf16, Bf16> bf16_bf16;
ScfKernels<Bf16, F16> bf16_f16;
ScfKernels<Bf16, F32> bf16_f32;
ScfKernels<F16, Bf16> f16_bf16;
ScfKernels<F16, F16> f16_f16;
ScfKernels<F16, F32> f16_f32;
ScfKernels<F32, Bf16> f32_bf16;
ScfKernels<F32, F16> f32_f16;
ScfKernels<F32, F32> f32_f32;

}  // namespace contourfuse::device
