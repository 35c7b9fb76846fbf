// The instruction-set level of the processor.
#include "contourfuse/core/instruction_level.hpp"

namespace contourfuse {

InstructionLevel processor_level() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // By feature: clang 14 does not know the names of the levels here.
  const bool v3 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                  __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0;
  const bool v4 =
      v3 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0;
  if (v4) return InstructionLevel::kX86V4;
  if (v3) return InstructionLevel::kX86V3;
#endif
  return InstructionLevel::kBaseline;
}

}  // namespace contourfuse
