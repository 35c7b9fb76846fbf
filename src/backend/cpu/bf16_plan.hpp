// Tables that make a group of points cheap for bf16 weights: what decides whether a stored result
// changes is the weight's significand, the sign of t, and how large |t| is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "contourfuse/numeric/host_device.hpp"
#include "contourfuse/sweep/grid_tally.hpp"

namespace contourfuse {

/// Weights of exponent 2 and above fall into classes by their 7-bit significand m; m = 0 counts
/// twice, since below a power of two the step to the next value is half as large. Class m is m with
/// either sign of t (0: t > 0), class 128 is m = 0 with t < 0.
inline constexpr std::size_t kWeightClasses = 129;
inline constexpr std::size_t kMagnitudes = 32768;  ///< bf16 codes without their sign
/// Below it, a weight's class does not tell all.
inline constexpr std::uint16_t kLeastClassed = 0x0100;

/// The least |t| that changes a weight of the class.
[[nodiscard]] float contour_threshold(std::size_t weight_class);

/// bf16 deltas, under α_dyn. Elements are told apart by u, which grows with |d|·significand and
/// fits 15 bits: |d| above `base`, whole octaves and `kept_bits` bits of the product.
struct Bf16DownPlan {
  std::uint16_t base = 0;         ///< a power of two below every threshold of |d|, as code
  std::uint16_t reach = 0;        ///< of codes above the base
  int kept_bits = 0;              ///< 10 to 13
  std::uint16_t least_moved = 0;  ///< the least |d| whose t is never 0, as code
  bool flips = false;             ///< whether any element may flip its sign
  std::array<std::uint8_t, kMagnitudes> changed{};  ///< by u: first point, or kAskElement
  std::array<std::uint8_t, kMagnitudes> flipped{};  ///< by code of |d| where t < 0: first point
};
/// Where u does not tell.
inline constexpr std::uint8_t kAskElement = 0x80;

/// u of |d| above the base (at most `reach`) and a weight's significand: 128 + m, or 256 for class
/// 128. Monotone in each.
template <int kept_bits>
CONTOURFUSE_HOST_DEVICE std::uint16_t down_code(std::uint16_t above, std::uint16_t significand) {
  const auto product = static_cast<std::uint16_t>(((above & 0x7FU) | 0x80U) * significand);
  // The product lies in [2^14, 2^16): its leading bits, as one more octave from 2^15 on.
  constexpr unsigned kOctave = 1U << kept_bits;
  const auto lower = static_cast<std::uint16_t>((product >> (14 - kept_bits)) - kOctave);
  const auto upper = static_cast<std::uint16_t>(product >> (15 - kept_bits));
  const std::uint16_t part = lower < upper ? lower : upper;
  return static_cast<std::uint16_t>(((above >> 7U) << kept_bits) + part);
}

/// A group of a down_proj whose deltas have magnitudes up to `largest_delta`; null if the
/// points lie too far apart or too near the ends of the type.
[[nodiscard]] std::unique_ptr<Bf16DownPlan> plan_bf16_down(const PointGroup& group,
                                                           float largest_delta);

/// bf16 deltas, within γ.
struct Bf16GatePlan {
  std::array<std::uint8_t, kMagnitudes> within{};      ///< by code of |d|: first γ ≥ |d|
  std::array<std::uint8_t, kWeightClasses> changed{};  ///< first γ that changes the class if d does
  bool classes_alike = false;                          ///< all of `changed` are the same
};
[[nodiscard]] std::unique_ptr<Bf16GatePlan> plan_bf16_gate(const PointGroup& group);

}  // namespace contourfuse
