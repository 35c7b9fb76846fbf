// How many cases a build goes through: sanitizers are slow, and the race checker has its bounds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host_cuda/schedule.hpp"

namespace contourfuse::test {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kAddressSanitized = false;
inline constexpr bool kRaceChecked = true;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitized = true;
inline constexpr bool kRaceChecked = false;
#else
inline constexpr bool kAddressSanitized = false;
inline constexpr bool kRaceChecked = false;
#endif

/// One of so many cases is taken, of a list that lasts long enough to have them all.
[[nodiscard]] constexpr std::size_t one_of(std::size_t address_sanitized,
                                           std::size_t race_checked) {
  return kRaceChecked ? race_checked : kAddressSanitized ? address_sanitized : 1;
}

/// CUDA threads of one launch.
inline constexpr std::uint64_t kMostThreads =
    kRaceChecked ? host_cuda::kMostRaceCheckedThreads : std::uint64_t{1} << 20;

}  // namespace contourfuse::test
