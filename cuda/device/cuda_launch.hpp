// The one way from a kernel call to a CUDA launch. Compiled once: all kernels for all architectures
// are in cuda_launch.cu.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "launch/kernel_call.hpp"
#include "launch/launch_policy.hpp"

namespace contourfuse::device {

/// Launches on `stream`, whose device is current, and checks the launch.
void launch_on_stream(const KernelCall& call, const LaunchPolicy& policy, cudaStream_t stream,
                      const std::string& device);

/// Throws unless the module holds code that the current device can run.
void check_kernel_image(const std::string& device);

}  // namespace contourfuse::device
