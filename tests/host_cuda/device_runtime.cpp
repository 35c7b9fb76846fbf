// The primitives of a CUDA thread: each leaves a request for its block and gives up its turn.
#include "host_cuda/device_runtime.hpp"

#include "contourfuse/core/error.hpp"
#include "host_cuda/block.hpp"
#include "host_cuda/cuda_thread.hpp"
#include "host_cuda/fiber.hpp"
#include "host_cuda/race_checker.hpp"

namespace contourfuse::host_cuda {
namespace {

CudaThread& this_thread() {
  CudaThread* thread = Block::running_thread();
  if (thread == nullptr) {
    throw Error(Failure::kFailed, "outside-a-kernel",
                "a device primitive is called outside a kernel that launch() runs");
  }
  return *thread;
}

void ask(CudaThread& thread, Request request, const CallSite& place) {
  thread.request = request;
  thread.place = place;
  Fiber::suspend();
  if (thread.block->cancelled()) throw Cancelled{};
}

std::uint64_t exchange(CudaThread& thread, Request request, std::uint64_t shown,
                       std::uint32_t source_lane, const CallSite& place) {
  thread.value = shown;
  thread.source_lane = source_lane;
  ask(thread, request, place);
  return thread.value;
}

}  // namespace

std::uint64_t shuffle_down_bits(std::uint64_t bits, std::uint32_t delta, const CallSite& place) {
  CudaThread& thread = this_thread();
  const std::uint32_t lane = thread.lane();
  const std::uint32_t source = delta < kWarpLanes - lane ? lane + delta : lane;
  return exchange(thread, Request::kShuffle, bits, source, place);
}

std::uint64_t shuffle_from_bits(std::uint64_t bits, std::uint32_t lane, const CallSite& place) {
  return exchange(this_thread(), Request::kShuffle, bits, lane % kWarpLanes, place);
}

void* shared_memory(const void* declaration, std::size_t bytes, std::size_t alignment,
                    const CallSite& place) {
  CudaThread& thread = this_thread();
  thread.shared = {declaration, bytes, alignment};
  ask(thread, Request::kSharedArray, place);
  // The block filled it, after this thread's start.
  if (thread.block->checks_races()) race_checker::acquire(thread.array);
  return thread.array;
}

}  // namespace contourfuse::host_cuda

namespace contourfuse::device {

using namespace host_cuda;

std::uint32_t thread_index() { return this_thread().index; }

std::uint32_t block_index() { return this_thread().block->index(); }

std::uint32_t block_threads() { return this_thread().block->call().block_threads; }

std::uint32_t grid_blocks() { return this_thread().block->call().grid_blocks; }

void sync_block(const CallSite& place) {
  CudaThread& thread = this_thread();
  const bool check_races = thread.block->checks_races();
  void* event = check_races ? thread.block->barrier_event(thread.barriers++) : nullptr;
  if (check_races) race_checker::release(event);
  ask(thread, Request::kBarrier, place);
  if (check_races) race_checker::acquire(event);
}

std::uint32_t ballot(bool predicate, const CallSite& place) {
  CudaThread& thread = this_thread();
  return static_cast<std::uint32_t>(
      exchange(thread, Request::kBallot, predicate ? 1 : 0, thread.lane(), place));
}

}  // namespace contourfuse::device
