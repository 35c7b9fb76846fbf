// Every kernel, and the launch of each.
#include <array>
#include <cstdint>

#include "contourfuse/core/error.hpp"
#include "device/cuda_check.hpp"
#include "device/cuda_launch.hpp"
#include "launch/launch_kernel.cuh"

namespace contourfuse::device {
namespace {

/// CUDA blocks that a grid's first dimension takes.
constexpr std::uint64_t kMaxGrid = 0x7FFFFFFF;

/// For errors, by the alternatives of KernelCall.
constexpr std::array kCallNames{"launch of the moments kernel",  "launch of the fold of moments",
                                "launch of the fold of records", "launch of the settle kernel",
                                "launch of the SCF kernel",      "launch of the generate kernel"};
static_assert(kCallNames.size() == std::variant_size_v<KernelCall>);

}  // namespace

void launch_on_stream(const KernelCall& call, const LaunchPolicy& policy, cudaStream_t stream,
                      const std::string& device) {
  const char* const name = kCallNames[call.index()];
  launch_kernel(call, policy,
                [&](auto kernel, std::uint64_t blocks, std::uint32_t threads, auto... arguments) {
                  if (blocks > kMaxGrid) {
                    throw Error(Failure::kFailed, "device-failed",
                                device + ": " + name + ": " + std::to_string(blocks) +
                                    " blocks are more than a grid can have");
                  }
                  kernel<<<static_cast<unsigned>(blocks), threads, 0, stream>>>(arguments...);
                  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) {
                    throw_cuda_error(status, name, device);
                  }
                });
}

void check_kernel_image(const std::string& device) {
  cudaFuncAttributes attributes{};
  CONTOURFUSE_CUDA_CHECK(cudaFuncGetAttributes(&attributes, settle_kernel), device);
}

}  // namespace contourfuse::device
