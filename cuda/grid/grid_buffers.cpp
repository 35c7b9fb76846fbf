// Device memory that the algorithms of a grid work in.
#include "grid/grid_buffers.hpp"

#include <algorithm>

namespace contourfuse::device {
namespace {

/// Bytes a block that sums are made in.
std::uint64_t partial_bytes(ScfRole role, bool stochastic) {
  std::uint64_t bytes = 2 * kLanes * sizeof(double);
  if (role == ScfRole::kGate) {
    bytes = std::max(bytes, std::uint64_t{kGateChains} * kFirstPoints * sizeof(GateSums));
  }
  if (stochastic) bytes = std::max(bytes, kLanes * kGroupPoints * sizeof(std::uint64_t));
  return bytes;
}

}  // namespace

GridBuffers::GridBuffers(DevicePool& pool, std::uint64_t elements, ScfRole role, bool stochastic) {
  const GridSlice slice{.count = elements};
  weight_moments = PooledMemory(pool, slice.blocks() * sizeof(BlockMoments));
  delta_moments = PooledMemory(pool, slice.blocks() * sizeof(BlockMoments));
  product_moments = PooledMemory(pool, slice.blocks() * sizeof(Moments));
  points = PooledMemory(pool, kGroupPoints * sizeof(float));
  keys = PooledMemory(pool, kSpectra * elements * sizeof(std::uint16_t));
  found = PooledMemory(pool, kSpectra * kSpectrumBins * sizeof(std::uint16_t));
  counts = PooledMemory(pool, kSpectra * kSpectrumBins * sizeof(std::uint32_t));
  spectra = PooledMemory(pool, kSpectra * kSpectrumBins * sizeof(std::uint32_t));
  partial_sums = PooledMemory(pool, slice.blocks() * partial_bytes(role, stochastic));
  gate_ranges = PooledMemory(pool, slice.ranges() * kFirstPoints * sizeof(GateSums));
  odds_ranges = PooledMemory(pool, slice.ranges() * kGroupPoints * sizeof(std::uint64_t));
}

std::uint64_t GridBuffers::bytes(std::uint64_t elements, ScfRole role, bool stochastic) {
  const GridSlice slice{.count = elements};
  // The keys twice more: a sort works in as much memory again, and there are its counters.
  constexpr std::uint64_t kElementBytes = 3 * kSpectra * sizeof(std::uint16_t);
  constexpr std::uint64_t kRangeBytes =
      kFirstPoints * sizeof(GateSums) + kGroupPoints * sizeof(std::uint64_t);
  constexpr std::uint64_t kOther = std::uint64_t{1} << 20;
  const std::uint64_t block =
      partial_bytes(role, stochastic) + 2 * sizeof(BlockMoments) + sizeof(Moments);
  return elements * kElementBytes + slice.blocks() * block + slice.ranges() * kRangeBytes + kOther;
}

}  // namespace contourfuse::device
