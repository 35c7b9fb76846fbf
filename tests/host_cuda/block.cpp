// Runs the threads of a block in turns and serves what they ask for; everything here but
// run_thread() is on the launching thread's own stack.
#include "host_cuda/block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "host_cuda/race_checker.hpp"

namespace contourfuse::host_cuda {
namespace {

thread_local CudaThread* running = nullptr;

std::string line_of(const std::source_location& place) {
  return fmt::format("{}:{}", place.file_name(), place.line());
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

std::string_view name_of(Request request) {
  switch (request) {
    case Request::kBarrier:
      return "sync_block";
    case Request::kShuffle:
      return "a shuffle";
    case Request::kBallot:
      return "a ballot";
    case Request::kNothing:
    case Request::kSharedArray:
    case Request::kExit:
      break;
  }
  return "nothing";
}

// The work of every fiber: the kernel, as the CUDA thread that runs.
void run_thread() {
  CudaThread& thread = *running;
  const BoundKernel& call = thread.block->call();
  const bool check_races = thread.block->checks_races();
  if (check_races) race_checker::acquire(thread.block->start_event());
  try {
    call.run(call.arguments);
  } catch (const Cancelled&) {
  } catch (...) {
    thread.thrown = std::current_exception();
  }
  if (check_races) race_checker::release(thread.block->end_event());
  thread.request = Request::kExit;
}

}  // namespace

Fiber* FiberPool::take() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&run_thread));
    return fibers_.back().get();
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return fiber;
}

CudaThread* Block::running_thread() noexcept { return running; }

Block::Block(const LaunchOptions& options, const BoundKernel& call, FiberPool& pool)
    : options_(options),
      call_(call),
      pool_(pool),
      turns_(options),
      threads_(call.block_threads),
      warps_((call.block_threads + kWarpLanes - 1) / kWarpLanes),
      check_races_(options.check_races && race_checker::available()) {
  if (!check_races_) return;
  barrier_events_.resize(2 * std::size_t{call.grid_blocks});
  race_checker::release(start_event());
}

Block::~Block() {
  // The caller reads the results as one that comes after every thread.
  if (check_races_) race_checker::acquire(end_event());
  for (Fiber* fiber : used_fibers_) pool_.give_back(fiber);
}

void Block::run(std::uint32_t index) {
  index_ = index;
  prepare();
  std::exception_ptr failure;
  try {
    run_to_end();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    cancel();
    std::rethrow_exception(failure);
  }
}

void Block::prepare() {
  for (std::uint32_t i = 0; i < call_.block_threads; ++i) {
    threads_[i] = CudaThread{.block = this, .index = i};
  }
  std::fill(warps_.begin(), warps_.end(), Warp{});
  at_barrier_ = 0;
  exited_ = 0;
  turns_.append(0, call_.block_threads);
  if (check_races_) {
    shared_.next_block();
  } else {
    shared_.release();
  }
}

void Block::run_to_end() {
  while (const std::optional<std::uint32_t> next = turns_.next()) {
    CudaThread& thread = threads_[*next];
    if (thread.fiber == nullptr) thread.fiber = pool_.take();
    resume(thread);
    serve(thread);
  }
  if (exited_ != call_.block_threads) fail_deadlock();
}

void Block::resume(CudaThread& thread) {
  thread.request = Request::kNothing;
  running = &thread;
  thread.fiber->resume(check_races_);
  running = nullptr;
}

void Block::serve(CudaThread& thread) {
  while (thread.request == Request::kSharedArray) {
    thread.array = shared_.find_or_make(thread.shared);
    if (thread.array == nullptr) {
      fail(thread, "shared-memory",
           fmt::format("shared arrays of more than {} bytes", kMostSharedBytes));
    }
    resume(thread);
  }
  switch (thread.request) {
    case Request::kBarrier:
      return arrive_at_barrier(thread);
    case Request::kShuffle:
    case Request::kBallot:
      return arrive_at_warp(thread);
    case Request::kExit:
      return exit(thread);
    case Request::kNothing:
    case Request::kSharedArray:
      break;
  }
}

void Block::arrive_at_barrier(CudaThread& thread) {
  if (exited_ != 0) {
    fail(thread, "barrier-after-exit",
         fmt::format("waits at sync_block, but {} thread(s) of the block have exited", exited_));
  }
  if (at_barrier_ == 0) {
    first_at_barrier_ = thread.index;
  } else if (const CudaThread& first = threads_[first_at_barrier_];
             !same_place(first.place, thread.place)) {
    fail(thread, "barrier-divergence",
         fmt::format("waits at this sync_block, thread {} at that of {}", first.index,
                     line_of(first.place)));
  }
  if (++at_barrier_ == call_.block_threads) {
    at_barrier_ = 0;
    turns_.append(0, call_.block_threads);
  }
}

void Block::arrive_at_warp(CudaThread& thread) {
  const std::uint32_t first_lane = thread.index - thread.lane();
  if (call_.block_threads - first_lane < kWarpLanes) {
    fail(thread, "lane-missing",
         fmt::format("{} in a warp of {} threads", name_of(thread.request),
                     call_.block_threads - first_lane));
  }
  Warp& warp = warp_of(thread);
  if (warp.exited != 0) {
    fail(thread, "lane-exited",
         fmt::format("{}, but {} lane(s) of the warp have exited", name_of(thread.request),
                     warp.exited));
  }
  if (warp.waiting == 0) {
    warp.first_waiting = thread.index;
  } else if (const CudaThread& first = threads_[warp.first_waiting];
             first.request != thread.request || !same_place(first.place, thread.place)) {
    fail(thread, "warp-divergence",
         fmt::format("{}, but thread {} of the warp waits at {} of {}", name_of(thread.request),
                     first.index, name_of(first.request), line_of(first.place)));
  }
  if (++warp.waiting == kWarpLanes) {
    warp.waiting = 0;
    complete_warp(first_lane, thread.request);
  }
}

void Block::complete_warp(std::uint32_t first_lane, Request request) {
  std::array<std::uint64_t, kWarpLanes> shown{};
  std::uint32_t votes = 0;
  for (std::uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    shown[lane] = threads_[first_lane + lane].value;
    if (shown[lane] != 0) votes |= std::uint32_t{1} << lane;
  }
  for (std::uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    CudaThread& thread = threads_[first_lane + lane];
    thread.value = request == Request::kBallot ? votes : shown[thread.source_lane];
  }
  turns_.append(first_lane, kWarpLanes);
}

void Block::exit(CudaThread& thread) {
  // A stack that serves another thread of the launch would be memory that two threads write.
  if (check_races_) {
    used_fibers_.push_back(thread.fiber);
  } else {
    pool_.give_back(thread.fiber);
  }
  thread.fiber = nullptr;
  ++exited_;
  Warp& warp = warp_of(thread);
  ++warp.exited;
  if (cancelled_) return;
  if (thread.thrown) std::rethrow_exception(thread.thrown);
  if (warp.waiting != 0) {
    const CudaThread& first = threads_[warp.first_waiting];
    fail(first, "lane-exited",
         fmt::format("{}, but thread {} of the warp has exited", name_of(first.request),
                     thread.index));
  }
  if (at_barrier_ != 0) {
    fail(threads_[first_at_barrier_], "barrier-after-exit",
         fmt::format("waits at sync_block, but thread {} has exited", thread.index));
  }
}

void Block::cancel() noexcept {
  turns_.clear();
  cancelled_ = true;
  for (CudaThread& thread : threads_) {
    if (thread.fiber == nullptr) continue;
    resume(thread);
    exit(thread);
  }
  cancelled_ = false;
}

void Block::fail(const CudaThread& thread, const char* kind, std::string_view what) const {
  throw Error(
      Failure::kFailed, kind,
      fmt::format("block {}, thread {}: {} ({})", index_, thread.index, what, describe(options_)),
      Place{.file = line_of(thread.place)});
}

void Block::fail_deadlock() const {
  const auto waits = [this](bool at_barrier) {
    return std::find_if(threads_.begin(), threads_.end(), [at_barrier](const CudaThread& thread) {
      return thread.fiber != nullptr && (thread.request == Request::kBarrier) == at_barrier;
    });
  };
  // One that waits at a warp operation, for a lane that waits at a barrier or elsewhere.
  const auto in_warp = waits(false);
  const auto in_block = waits(true);
  const CudaThread& one = in_warp != threads_.end() ? *in_warp : *in_block;
  std::string what = fmt::format("waits for ever at {}", name_of(one.request));
  if (in_warp != threads_.end() && in_block != threads_.end()) {
    what += fmt::format(", thread {} at {} of {}", in_block->index, name_of(in_block->request),
                        line_of(in_block->place));
  }
  fail(one, "kernel-deadlock", what);
}

}  // namespace contourfuse::host_cuda
