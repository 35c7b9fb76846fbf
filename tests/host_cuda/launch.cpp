// Launching: bounds that a device would refuse, and the order of the blocks.
#include "host_cuda/launch.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "host_cuda/race_checker.hpp"

namespace contourfuse::host_cuda {
namespace {

// CUDA's, for every compute capability since 3.0.
constexpr std::uint32_t kMostBlockThreads = 1024;
constexpr std::uint32_t kMostGridBlocks = 0x7FFFFFFF;

[[noreturn]] void refuse(const BoundKernel& call, std::string why) {
  throw Error(Failure::kFailed, "bad-launch",
              fmt::format("a launch of {} block(s) of {} thread(s): {}", call.grid_blocks,
                          call.block_threads, why));
}

void check(const LaunchOptions& options, const BoundKernel& call) {
  if (Block::running_thread() != nullptr) refuse(call, "from inside a kernel");
  if (call.grid_blocks == 0 || call.grid_blocks > kMostGridBlocks) {
    refuse(call, fmt::format("a grid has 1 to {} blocks", kMostGridBlocks));
  }
  if (call.block_threads == 0 || call.block_threads > kMostBlockThreads) {
    refuse(call, fmt::format("a block has 1 to {} threads", kMostBlockThreads));
  }
  const std::uint64_t threads = std::uint64_t{call.grid_blocks} * call.block_threads;
  if (race_checker::available() && options.check_races && threads > kMostRaceCheckedThreads) {
    refuse(call, fmt::format("the race checker takes {} threads", kMostRaceCheckedThreads));
  }
}

}  // namespace

void run_grid(const LaunchOptions& options, const BoundKernel& call) {
  check(options, call);
  thread_local FiberPool pool;
  Block block(options, call, pool);
  Turns blocks(options);
  if (options.order == Order::kForward) {
    for (std::uint32_t index = 0; index < call.grid_blocks; ++index) block.run(index);
    return;
  }
  blocks.append(0, call.grid_blocks);
  while (const std::optional<std::uint32_t> index = blocks.next()) block.run(*index);
}

}  // namespace contourfuse::host_cuda
