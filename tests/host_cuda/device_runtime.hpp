// What a kernel includes in place of CUDA when the host compiler compiles it: the device's
// primitives with their meaning of CUDA, for kernels that launch.hpp runs.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>

#define CONTOURFUSE_KERNEL inline
#define CONTOURFUSE_DEVICE inline

/// Type name[Count], one for the whole block; uninitialised.
#define CONTOURFUSE_SHARED(Type, name, Count) \
  static char name##_declaration = 0;         \
  Type(&name)[Count] = ::contourfuse::host_cuda::shared_array<Type, (Count)>(&name##_declaration)

namespace contourfuse::host_cuda {

using CallSite = std::source_location;

/// The primitives on bare bits.
[[nodiscard]] std::uint64_t shuffle_down_bits(std::uint64_t bits, std::uint32_t delta,
                                              const CallSite& place);
[[nodiscard]] std::uint64_t shuffle_from_bits(std::uint64_t bits, std::uint32_t lane,
                                              const CallSite& place);
[[nodiscard]] void* shared_memory(const void* declaration, std::size_t bytes, std::size_t alignment,
                                  const CallSite& place);

template <class Type, std::size_t Count>
[[nodiscard]] Type (&shared_array(const void* declaration,
                                  const CallSite& place = CallSite::current()))[Count] {
  static_assert(std::is_trivially_default_constructible_v<Type>,
                "shared memory runs no constructors");
  void* memory = shared_memory(declaration, sizeof(Type) * Count, alignof(Type), place);
  return *static_cast<Type(*)[Count]>(memory);
}

/// What the device's shuffles take.
template <class Type>
concept Shuffled = std::is_arithmetic_v<Type> &&(sizeof(Type) == 4 || sizeof(Type) == 8);

template <std::size_t Bytes>
using BitsOf = std::conditional_t<Bytes == 4, std::uint32_t, std::uint64_t>;

}  // namespace contourfuse::host_cuda

namespace contourfuse::device {

[[nodiscard]] std::uint32_t thread_index();   ///< threadIdx.x
[[nodiscard]] std::uint32_t block_index();    ///< blockIdx.x
[[nodiscard]] std::uint32_t block_threads();  ///< blockDim.x
[[nodiscard]] std::uint32_t grid_blocks();    ///< gridDim.x

/// __syncthreads(). Threads of one block that wait at different calls are an error.
void sync_block(const host_cuda::CallSite& place = host_cuda::CallSite::current());

/// __shfl_down_sync of the full warp: lanes whose source would lie past it keep their own value.
/// As in CUDA, warp operations order no accesses to memory.
template <host_cuda::Shuffled Type>
[[nodiscard]] Type shuffle_down(Type value, std::uint32_t delta,
                                const host_cuda::CallSite& place = host_cuda::CallSite::current()) {
  using Bits = host_cuda::BitsOf<sizeof(Type)>;
  const std::uint64_t got =
      host_cuda::shuffle_down_bits(std::uint64_t{std::bit_cast<Bits>(value)}, delta, place);
  return std::bit_cast<Type>(static_cast<Bits>(got));
}

/// __shfl_sync of the full warp; `lane` counts modulo 32.
template <host_cuda::Shuffled Type>
[[nodiscard]] Type shuffle_from(Type value, std::uint32_t lane,
                                const host_cuda::CallSite& place = host_cuda::CallSite::current()) {
  using Bits = host_cuda::BitsOf<sizeof(Type)>;
  const std::uint64_t got =
      host_cuda::shuffle_from_bits(std::uint64_t{std::bit_cast<Bits>(value)}, lane, place);
  return std::bit_cast<Type>(static_cast<Bits>(got));
}

/// __ballot_sync of the full warp.
[[nodiscard]] std::uint32_t ballot(
    bool predicate, const host_cuda::CallSite& place = host_cuda::CallSite::current());

/// atomicAdd(): relaxed, so it orders no other access.
inline void atomic_add(std::uint32_t* target, std::uint32_t value) {
  std::atomic_ref<std::uint32_t>(*target).fetch_add(value, std::memory_order_relaxed);
}

inline void atomic_add(std::uint64_t* target, std::uint64_t value) {
  std::atomic_ref<std::uint64_t>(*target).fetch_add(value, std::memory_order_relaxed);
}

}  // namespace contourfuse::device
