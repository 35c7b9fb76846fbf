// The CPU's block kernels: plain loops, compiled once per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"

namespace contourfuse {

/// Types as indices into the kernel tables.
enum class Element : std::uint8_t { kBf16, kF16, kF32 };
inline constexpr std::size_t kElementTypes = 3;
/// Of an editable type.
[[nodiscard]] constexpr std::size_t element_index(DType dtype) noexcept {
  if (dtype == DType::kF32) return static_cast<std::size_t>(Element::kF32);
  return static_cast<std::size_t>(dtype == DType::kF16 ? Element::kF16 : Element::kBf16);
}

/// What every element of a matrix shares.
struct TransformNumbers {
  float parameter = 0;  ///< α_dyn of down, γ of gate
  std::uint64_t rounding_seed = 0;
  std::uint64_t tensor_hash = 0;  ///< XXH3-64 of the tensor's name
};

/// Pointers are to stored elements, suitably aligned; `count` ≤ kBlockElements.
struct Kernels {
  /// Writes out[i] = SCF of weight[i]; true if any weight, delta or result is not finite. `out`
  /// must not overlap the inputs. `first_index` is row-major in the whole matrix.
  using Transform = bool (*)(const void* weight, const void* delta, void* out, std::size_t count,
                             std::uint64_t first_index, const TransformNumbers& numbers);
  /// Counts and block sums; all elements must be finite.
  using Record = void (*)(const void* weight, const void* delta, const void* out, std::size_t count,
                          float parameter, RecordCounts& counts, RecordSums& sums);
  using Measure = BlockMoments (*)(const void* elements, std::size_t count);

  const char* level = "";
  Transform transform[kElementTypes][kElementTypes][2][2] =
      {};                                               ///< weight, delta, role, stochastic
  Record record[kElementTypes][kElementTypes][2] = {};  ///< weight, delta, role
  Measure moments[kElementTypes] = {};
};

/// The best level that this processor has. Same bits on every level.
[[nodiscard]] const Kernels& best_kernels() noexcept;

/// All levels that this processor has, best first; for tests. `count` receives their number.
[[nodiscard]] const Kernels* const* available_kernels(std::size_t& count) noexcept;

}  // namespace contourfuse
