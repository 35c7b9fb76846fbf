// `bench kernels`: the kernels of the CPU backend beside memcpy, on one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "contourfuse/measure/rounds.hpp"

namespace contourfuse {

/// A copy, then every kernel of bf16 weights and deltas at every instruction level of the
/// processor. Each touches about `bytes` of memory, read or written; they should be far beyond any
/// cache.
[[nodiscard]] std::vector<TimedCase> kernel_cases(std::uint64_t bytes);

}  // namespace contourfuse
