// Runs kernel calls on the host: whole grids, or the last block alone of one that is too large.
#pragma once

#include "host_cuda/schedule.hpp"
#include "launch/kernel_call.hpp"
#include "launch/launch_policy.hpp"

namespace contourfuse::test {

/// Idle warps would cost their turns.
inline constexpr device::LaunchPolicy kOneWarp{
    .moments = 32, .scf = 32, .fold = 32, .generate = 32};
inline constexpr host_cuda::LaunchOptions kForward{.order = host_cuda::Order::kForward};

void run_kernel(const device::KernelCall& call, const device::LaunchPolicy& policy = kOneWarp,
                const host_cuda::LaunchOptions& options = kForward);

void run_last_block(const device::KernelCall& call, const device::LaunchPolicy& policy = kOneWarp);

}  // namespace contourfuse::test
