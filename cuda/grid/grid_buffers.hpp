// Device memory that the algorithms of a grid work in.
#pragma once

#include <cstdint>

#include "grid/device_pool.hpp"
#include "grid/grid_algorithms.hpp"

namespace contourfuse::device {

/// Room for slices of up to `elements` elements.
class GridBuffers {
 public:
  GridBuffers(DevicePool& pool, std::uint64_t elements, ScfRole role, bool stochastic);

  /// Bytes that this takes, and the temporary memory of the algorithms with it, at most.
  [[nodiscard]] static std::uint64_t bytes(std::uint64_t elements, ScfRole role, bool stochastic);

  PooledMemory weight_moments{};  ///< BlockMoments a block
  PooledMemory delta_moments{};
  PooledMemory product_moments{};  ///< Moments a block
  PooledMemory points{};           ///< of a group
  PooledMemory keys{};
  PooledMemory found{};
  PooledMemory counts{};
  PooledMemory spectra{};
  /// Lanes of the product moments, then chains of a gate, then odds.
  PooledMemory partial_sums{};
  PooledMemory gate_ranges{};
  PooledMemory odds_ranges{};
};

}  // namespace contourfuse::device
