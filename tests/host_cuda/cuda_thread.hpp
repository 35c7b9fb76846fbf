// One CUDA thread: where it stands, and what it waits for.
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>

#include "host_cuda/fiber.hpp"
#include "host_cuda/shared_arrays.hpp"

namespace contourfuse::host_cuda {

class Block;

inline constexpr std::uint32_t kWarpLanes = 32;

/// What a kernel's primitive hands to the block that runs it.
enum class Request : std::uint8_t {
  kNothing,
  kBarrier,
  kShuffle,  ///< the value of another lane
  kBallot,   ///< the lanes whose value is not 0
  kSharedArray,
  kExit,
};

/// Written by its block while it waits, and by its own primitives while it runs.
struct CudaThread {
  Block* block = nullptr;
  std::uint32_t index = 0;
  Request request = Request::kNothing;
  std::source_location place{};   ///< of the request, in the kernel
  std::uint64_t value = 0;        ///< what a lane shows its warp, then what it got
  std::uint32_t source_lane = 0;  ///< whose value a shuffle wants
  SharedRequest shared{};
  void* array = nullptr;
  std::uint32_t barriers = 0;   ///< passed so far
  std::exception_ptr thrown{};  ///< what left the kernel
  Fiber* fiber = nullptr;       ///< null before its first turn and after its exit

  [[nodiscard]] std::uint32_t lane() const noexcept { return index % kWarpLanes; }
};

}  // namespace contourfuse::host_cuda
