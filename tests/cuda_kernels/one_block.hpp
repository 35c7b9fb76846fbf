// Runs one block of a grid, however large the grid is.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>

#include "host_cuda/block.hpp"

namespace contourfuse::test {

/// Block `index` of kernel<<<grid_blocks, block_threads>>>(arguments...), without race checks,
/// which would keep two words per block of the grid.
template <class... Parameters>
void run_one_block(void (*kernel)(Parameters...), std::uint32_t grid_blocks,
                   std::uint32_t block_threads, std::uint32_t index,
                   std::type_identity_t<Parameters>... arguments) {
  struct Bound {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  const Bound bound{kernel, {arguments...}};
  const auto run = [](const void* context) {
    const Bound& call = *static_cast<const Bound*>(context);
    std::apply(call.kernel, call.arguments);
  };
  host_cuda::FiberPool pool;
  host_cuda::Block(
      host_cuda::LaunchOptions{.order = host_cuda::Order::kForward, .check_races = false},
      host_cuda::BoundKernel{.run = run,
                             .arguments = &bound,
                             .grid_blocks = grid_blocks,
                             .block_threads = block_threads},
      pool)
      .run(index);
}

}  // namespace contourfuse::test
