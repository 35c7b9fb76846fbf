// Vectors of 16-bit elements, two to a 32-bit lane: nothing crosses a lane, so nothing is shuffled.
// Included by level files alone: what it defines depends on the level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "numeric/blocks.hpp"
#include "numeric/vectors.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

inline constexpr std::size_t kHalves = kVectorBytes / 2;
using Halves = std::int16_t __attribute__((vector_size(kVectorBytes)));

CONTOURFUSE_HOST_DEVICE Halves larger(Halves a, Halves b) {
#if defined(__AVX512BW__)
  return same_bits<Halves>(
      _mm512_maskz_max_epi16(0xFFFFFFFF, same_bits<__m512i>(a), same_bits<__m512i>(b)));
#elif defined(__AVX2__)
  return same_bits<Halves>(_mm256_max_epi16(same_bits<__m256i>(a), same_bits<__m256i>(b)));
#elif defined(__SSE2__)
  return same_bits<Halves>(_mm_max_epi16(same_bits<__m128i>(a), same_bits<__m128i>(b)));
#else
  return a > b ? a : b;
#endif
}

/// The greatest magnitude, of a vector or of what came before.
class GreatestMagnitude {
 public:
  template <class Vector>
  CONTOURFUSE_HOST_DEVICE void add(Vector stored) {
    lanes_ = larger(same_bits<Halves>(stored) & std::int16_t{0x7FFF}, lanes_);
  }
  [[nodiscard]] CONTOURFUSE_HOST_DEVICE std::uint16_t value() const {
    std::int16_t greatest = 0;
    for (std::size_t lane = 0; lane < kHalves; ++lane) {
      greatest = lanes_[lane] > greatest ? lanes_[lane] : greatest;
    }
    return static_cast<std::uint16_t>(greatest);
  }

 private:
  Halves lanes_{};
};

/// Counts by the magnitudes of a 16-bit delta's bits, beyond which its contour does what is
/// counted: a contour grows with the delta's magnitude. `kNever` where none does.
template <class Delta, ScfRole role>
struct CountLimits {
  static constexpr std::int16_t kNever = 0x7FFF;
  std::int16_t moves = kNever;
  std::int16_t flips = kNever;
  std::int16_t clamped = kNever;
  std::uint16_t flipping_sign = 0;  ///< of the deltas that can flip a weight's sign

  explicit CountLimits(float parameter) {
    flipping_sign = role == ScfRole::kDown && parameter < 0 ? 0 : 0x8000U;
    moves = limit(
        [&](std::uint16_t bits) { return contour<role>(Delta::widen(bits), parameter) != 0.0F; });
    flips = limit([&](std::uint16_t bits) {
      const auto delta = static_cast<std::uint16_t>(bits | flipping_sign);
      return contour<role>(Delta::widen(delta), parameter) < -1.0F;
    });
    if constexpr (role == ScfRole::kGate) {
      clamped = limit([&](std::uint16_t bits) { return Delta::widen(bits) > parameter; });
    }
  }

 private:
  /// The magnitude before the first finite one of which `holds` is true; it then is of all above.
  template <class Predicate>
  static std::int16_t limit(Predicate holds) {
    int low = 0;
    int high = std::is_same_v<Delta, Bf16> ? 0x7F80 : 0x7C00;
    const int infinity = high;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (holds(static_cast<std::uint16_t>(middle))) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low == infinity ? kNever : static_cast<std::int16_t>(low - 1);
  }
};

CONTOURFUSE_HOST_DEVICE std::uint64_t total(Halves negative) {
  std::int64_t sum = 0;
  for (std::size_t lane = 0; lane < kHalves; ++lane) sum -= negative[lane];
  return static_cast<std::uint64_t>(sum);
}

/// Counts of a whole block of 16-bit elements; a lane counts at most kBlockElements / kHalves.
template <class Delta, ScfRole role>
RecordCounts count_halves(const std::uint16_t* __restrict weight,
                          const std::uint16_t* __restrict delta,
                          const std::uint16_t* __restrict out, float parameter) {
  const CountLimits<Delta, role> limits(parameter);
  const Halves zero{};
  const Halves moves = zero + limits.moves;
  const Halves flips = zero + limits.flips;
  const Halves clamped = zero + limits.clamped;
  const Halves flipping_sign = zero + static_cast<std::int16_t>(limits.flipping_sign);
  Halves sum_moved{};
  Halves sum_same{};
  Halves sum_lost{};
  Halves sum_clamped{};
  Halves sum_flips{};
  Halves sum_zero{};
  for (std::size_t i = 0; i < kBlockElements; i += kHalves) {
    const auto w = load<Halves>(weight + i);
    const auto d = load<Halves>(delta + i);
    const Halves magnitude = d & std::int16_t{0x7FFF};
    const Halves is_zero = (w & std::int16_t{0x7FFF}) == zero;
    const Halves is_same = w == load<Halves>(out + i);
    const Halves is_moved = (magnitude > moves) & ~is_zero;
    sum_moved += is_moved;
    sum_same += is_same;
    sum_lost += is_moved & is_same;
    if constexpr (role == ScfRole::kGate) sum_clamped += magnitude > clamped;
    sum_flips += ((d ^ flipping_sign) > flips) & ~is_zero;
    sum_zero += is_zero;
  }
  return {total(sum_moved),
          kBlockElements - total(sum_same),
          total(sum_lost),
          total(sum_clamped),
          total(sum_flips),
          total(sum_zero),
          0};
}

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
