// Runs a kernel on the host as a device would, one CUDA thread at a time.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>

#include "host_cuda/block.hpp"
#include "host_cuda/schedule.hpp"

namespace contourfuse::host_cuda {

/// Runs all blocks; state is per host thread, so several may launch at once. Throws an Error of
/// kind bad-launch for a grid that no device takes, and what Block::run() throws.
void run_grid(const LaunchOptions& options, const BoundKernel& call);

/// kernel<<<grid_blocks, block_threads>>>(arguments...) followed by a wait for its end.
template <class... Parameters>
void launch(const LaunchOptions& options, void (*kernel)(Parameters...), std::uint32_t grid_blocks,
            std::uint32_t block_threads, std::type_identity_t<Parameters>... arguments) {
  static_assert((!std::is_reference_v<Parameters> && ...),
                "a kernel's parameters are copied to the device");
  struct Bound {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  const Bound bound{kernel, {arguments...}};
  const auto run = [](const void* context) {
    const Bound& call = *static_cast<const Bound*>(context);
    std::apply(call.kernel, call.arguments);
  };
  run_grid(options, BoundKernel{.run = run,
                                .arguments = &bound,
                                .grid_blocks = grid_blocks,
                                .block_threads = block_threads});
}

/// In the default order: shuffled by seed 1.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), std::uint32_t grid_blocks, std::uint32_t block_threads,
            std::type_identity_t<Parameters>... arguments) {
  launch(LaunchOptions{}, kernel, grid_blocks, block_threads, arguments...);
}

}  // namespace contourfuse::host_cuda
