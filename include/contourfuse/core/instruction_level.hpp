// The instruction-set level of the processor, for kernels that are compiled once per level.
#pragma once

#include <cstdint>

namespace contourfuse {

/// Ascending: a processor has every level up to its own.
enum class InstructionLevel : std::uint8_t {
  kBaseline,  ///< what the compiler targets anyway
  kX86V3,     ///< x86-64-v3: AVX2, FMA, BMI2
  kX86V4,     ///< x86-64-v4: AVX-512 F, BW, CD, DQ, VL
};

[[nodiscard]] InstructionLevel processor_level() noexcept;

}  // namespace contourfuse
