// The one place where the kernels are compiled for the host.
#include "cuda_kernels/kernel_run.hpp"

#include <cstdint>

#include "cuda_kernels/one_block.hpp"
#include "host_cuda/launch.hpp"
#include "launch/launch_kernel.cuh"

namespace contourfuse::test {

void run_kernel(const device::KernelCall& call, const device::LaunchPolicy& policy,
                const host_cuda::LaunchOptions& options) {
  device::launch_kernel(
      call, policy,
      [&](auto kernel, std::uint64_t blocks, std::uint32_t threads, const auto&... arguments) {
        host_cuda::launch(options, kernel, static_cast<std::uint32_t>(blocks), threads,
                          arguments...);
      });
}

void run_last_block(const device::KernelCall& call, const device::LaunchPolicy& policy) {
  device::launch_kernel(
      call, policy,
      [](auto kernel, std::uint64_t blocks, std::uint32_t threads, const auto&... arguments) {
        const auto grid = static_cast<std::uint32_t>(blocks);
        run_one_block(kernel, grid, threads, grid - 1, arguments...);
      });
}

}  // namespace contourfuse::test
