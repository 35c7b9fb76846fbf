// What is computed on a device for the grid of a matrix. The real device does it by Thrust on a
// stream; tests have the same code on the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "contourfuse/sweep/grid_tally.hpp"

namespace contourfuse::device {

/// Elements whose sums are added up on the device; those of ranges are added on the host, in their
/// order.
inline constexpr std::uint64_t kRangeBlocks = 128;
inline constexpr std::uint64_t kGridRangeElements = kRangeBlocks * kBlockElements;
/// Elements of a gate's block are summed up in turn by these.
inline constexpr std::uint32_t kGateChains = 4;

/// Consecutive covered elements of a matrix, from the first of a range on. Pointers here and below
/// are to device memory.
struct GridSlice {
  ScfRole role = ScfRole::kDown;
  bool stochastic = false;
  DType weight_dtype = DType::kBF16;
  DType delta_dtype = DType::kBF16;
  const void* weight = nullptr;
  const void* delta = nullptr;
  std::uint64_t count = 0;

  [[nodiscard]] CONTOURFUSE_HOST_DEVICE std::uint64_t blocks() const {
    return (count + kBlockElements - 1) / kBlockElements;
  }
  [[nodiscard]] CONTOURFUSE_HOST_DEVICE std::uint64_t ranges() const {
    return (blocks() + kRangeBlocks - 1) / kRangeBlocks;
  }
};

/// Elements by the first point at which something happens to them.
enum class Spectrum : std::uint8_t { kMoved, kChanged, kFlipped, kWithin };
inline constexpr std::uint32_t kSpectra = 4;
/// First points, and kChanged's one more: a weight of −0 that becomes +0 at every point.
inline constexpr std::uint32_t kSpectrumBins = static_cast<std::uint32_t>(kFirstPoints) + 1;
inline constexpr std::uint32_t kNegativeZeroBin = kSpectrumBins - 1;

/// Spectra of a slice over the points of a group. A gate has all four, a down_proj has no kWithin.
struct SpectraCall {
  GridSlice slice{};
  const float* points = nullptr;
  std::uint32_t point_count = 0;
  /// kSpectra × slice.count: of spectrum s and element i, at s·count + i, s·kSpectrumBins + bin.
  std::uint16_t* keys = nullptr;
};

/// Counts of the keys of each spectrum up to and with each bin, from the keys that there are and
/// how many of each. Room for kSpectra × kSpectrumBins everywhere but in `keys`.
struct AccumulateCall {
  std::uint16_t* keys = nullptr;  ///< sorted on the way
  std::uint64_t key_count = 0;
  std::uint16_t* found = nullptr;
  std::uint32_t* counts = nullptr;
  std::uint32_t* spectra = nullptr;
};

/// Σd·w and Σ(d·w)² of every block, by the moment scheme.
struct ProductMomentsCall {
  GridSlice slice{};
  double* lanes = nullptr;  ///< 2 × kLanes a block
  Moments* blocks = nullptr;
};

/// Sums of a gate's elements by the first point that does not clamp them, of every range.
struct GateSumsCall {
  GridSlice slice{};
  const std::uint16_t* keys = nullptr;  ///< of kWithin, not sorted yet
  std::uint32_t point_count = 0;
  GateSums* chains = nullptr;  ///< kGateChains × (point_count + 1) a block
  GateSums* ranges = nullptr;  ///< point_count + 1 a range
};

/// Odds that stored bits change, in units of 2^-32, over w ≠ 0, of every range at every point.
struct OddsCall {
  GridSlice slice{};
  const float* points = nullptr;
  std::uint32_t point_count = 0;
  std::uint64_t* blocks = nullptr;  ///< kLanes × point_count a block
  std::uint64_t* ranges = nullptr;  ///< point_count a range
};

/// Work is done in the order of the device's Stream::kCompute; calls return before or after its
/// end. Every call that fails throws Error{kFailed, "device-failed"} or "device-memory".
class GridAlgorithms {
 public:
  GridAlgorithms() = default;
  GridAlgorithms(const GridAlgorithms&) = delete;
  GridAlgorithms& operator=(const GridAlgorithms&) = delete;
  virtual ~GridAlgorithms() = default;
  virtual void write_keys(const SpectraCall& call) = 0;
  virtual void accumulate_keys(const AccumulateCall& call) = 0;
  virtual void measure_products(const ProductMomentsCall& call) = 0;
  virtual void sum_gate(const GateSumsCall& call) = 0;
  virtual void sum_odds(const OddsCall& call) = 0;
};

}  // namespace contourfuse::device
