// One CUDA block after the other: its threads as fibers, its barriers, its warps.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string_view>
#include <vector>

#include "host_cuda/cuda_thread.hpp"
#include "host_cuda/fiber.hpp"
#include "host_cuda/schedule.hpp"
#include "host_cuda/shared_arrays.hpp"

namespace contourfuse::host_cuda {

/// A kernel with its arguments, and the shape of its grid.
struct BoundKernel {
  void (*run)(const void* arguments) = nullptr;  ///< as one CUDA thread
  const void* arguments = nullptr;
  std::uint32_t grid_blocks = 0;
  std::uint32_t block_threads = 0;
};

/// Stacks for CUDA threads, kept from launch to launch.
class FiberPool {
 public:
  [[nodiscard]] Fiber* take();
  void give_back(Fiber* fiber) { idle_.push_back(fiber); }

 private:
  std::vector<std::unique_ptr<Fiber>> fibers_{};
  std::vector<Fiber*> idle_{};
};

/// The blocks of one launch, run one by one on the calling host thread. What goes wrong in a
/// kernel is an Error whose place is the kernel's line; its kinds are barrier-divergence,
/// barrier-after-exit, warp-divergence, lane-exited, lane-missing, kernel-deadlock, shared-memory.
class Block {
 public:
  Block(const LaunchOptions& options, const BoundKernel& call, FiberPool& pool);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs every thread of block `index` to its end; throws its Error, or what the kernel threw.
  void run(std::uint32_t index);

  [[nodiscard]] const BoundKernel& call() const noexcept { return call_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] bool checks_races() const noexcept { return check_races_; }

  /// What orders the accesses around barrier number `barrier` of this block. Two in turns: a
  /// thread may be one barrier ahead of another that has not gone on yet, and what it did since is
  /// not ordered before the other.
  [[nodiscard]] void* barrier_event(std::uint32_t barrier) noexcept {
    return &barrier_events_[2 * std::size_t{index_} + barrier % 2];
  }
  /// What orders the accesses of all threads after the start of the launch and before its end.
  [[nodiscard]] void* start_event() noexcept { return &start_event_; }
  [[nodiscard]] void* end_event() noexcept { return &end_event_; }

  /// The CUDA thread whose code the calling host thread runs; null outside a kernel.
  [[nodiscard]] static CudaThread* running_thread() noexcept;

 private:
  struct Warp {
    std::uint32_t waiting = 0;  ///< lanes at the same warp operation
    std::uint32_t exited = 0;
    std::uint32_t first_waiting = 0;  ///< index of its thread
  };

  void prepare();
  void run_to_end();
  void resume(CudaThread& thread);
  void serve(CudaThread& thread);
  void arrive_at_barrier(CudaThread& thread);
  void arrive_at_warp(CudaThread& thread);
  void complete_warp(std::uint32_t first_lane, Request request);
  void exit(CudaThread& thread);
  void cancel() noexcept;
  [[nodiscard]] Warp& warp_of(const CudaThread& thread) {
    return warps_[thread.index / kWarpLanes];
  }
  [[noreturn]] void fail(const CudaThread& thread, const char* kind, std::string_view what) const;
  [[noreturn]] void fail_deadlock() const;

  LaunchOptions options_;
  BoundKernel call_;
  FiberPool& pool_;
  Turns turns_;
  SharedArrays shared_{};
  std::vector<CudaThread> threads_{};
  std::vector<Warp> warps_{};
  std::uint32_t index_ = 0;
  std::uint32_t at_barrier_ = 0;
  std::uint32_t first_at_barrier_ = 0;
  std::uint32_t exited_ = 0;
  bool cancelled_ = false;

  bool check_races_;
  std::vector<std::uint64_t> barrier_events_{};
  std::uint64_t start_event_ = 0;
  std::uint64_t end_event_ = 0;
  std::vector<Fiber*> used_fibers_{};
};

/// Leaves a kernel whose block has failed; nobody but the block catches it.
struct Cancelled {};

}  // namespace contourfuse::host_cuda
