// Plain arguments of the kernels, for host code that calls them and device code alike. Pointers are
// to device memory.
#pragma once

#include <cstdint>

#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/numeric/scaling.hpp"

namespace contourfuse::device {

inline constexpr std::uint32_t kFoldLevels = 3;
/// Values that one thread of a fold makes one.
inline constexpr std::uint32_t kFoldRun = 1U << kFoldLevels;

/// How a matrix is to be scaled.
struct ScalingRule {
  double alpha = 0;
  float plain = 0;  ///< γ, or α where nothing is normalized
  AlphaRule rule = AlphaRule::kPlain;
  std::uint64_t covered = 0;
};

/// Covered elements [first, first + count) of a matrix, one after the other in memory.
struct CoveredRange {
  std::uint64_t first = 0;  ///< a block's first
  std::uint64_t count = 0;
  std::uint64_t covered_cols = 0;
  std::uint64_t cols = 0;

  /// Row-major index in the whole matrix of covered element `element`.
  [[nodiscard]] CONTOURFUSE_HOST_DEVICE std::uint64_t index(std::uint64_t element) const {
    if (covered_cols == cols) return element;
    return element / covered_cols * cols + element % covered_cols;
  }
};

struct RoundingKey {
  std::uint64_t seed = 0;
  std::uint64_t tensor_hash = 0;  ///< XXH3-64 of the tensor's name
};

/// fusion's DeltaTables of one matrix, in device memory.
struct GeneratorTables {
  std::uint64_t hidden = 0;        ///< H
  std::uint64_t intermediate = 0;  ///< I
  std::uint64_t cells = 0;
  std::uint32_t gains = 0;    ///< K
  std::uint32_t period = 0;   ///< 4H
  std::uint32_t sources = 0;  ///< dealt in turn to the cells
  const std::uint16_t* gate_table = nullptr;
  const float* down_table = nullptr;
  const std::uint32_t* frames = nullptr;    ///< per cell
  const std::uint16_t* signs = nullptr;     ///< per basis and element of a frame vector
  const std::int32_t* exponents = nullptr;  ///< gate and up: per dealt source and gain
  const float* coefficients = nullptr;      ///< down: per cell and gain
};

}  // namespace contourfuse::device
