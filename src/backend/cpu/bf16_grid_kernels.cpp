// The block kernels of a sweep of bf16 weights and deltas: a few operations an element for a whole
// group of points. Compiled once per instruction-set level into CONTOURFUSE_KERNELS_NAMESPACE.
#include <cstring>

#include "backend/cpu/bf16_plan.hpp"  // as system headers (cmake/InstructionLevels.cmake)
#include "backend/cpu/gate_bins.hpp"
#include "backend/cpu/grid_kernels.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "numeric/blocks.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

using Code = std::uint16_t;
constexpr Code kMagnitudeBits = 0x7FFF;
constexpr Code kSignificandBits = 0x7F;
constexpr Code kHiddenBit = 0x80;
constexpr Code kNegativeZero = 0x8000;
constexpr Code kMinusOne = 0xBF80;

// Elements taken together: what is known of them stays in the innermost cache.
constexpr std::size_t kSlice = 512;
// An element's histogram, in turn, so that no increment waits for the one before it.
constexpr std::size_t kCopies = 4;

/// Elements by first point.
struct Histogram {
  std::uint32_t copy[kCopies][kFirstPoints] = {};

  void add_to(std::size_t points, FirstPointCounts& counts) const {
    for (std::size_t i = 0; i < points; ++i) {
      counts[i] += copy[0][i] + copy[1][i] + copy[2][i] + copy[3][i];
    }
  }
};

/// Whether a weight is neither zero nor in a class: a denormal, or of the lowest exponent.
CONTOURFUSE_HOST_DEVICE bool is_unclassed(Code weight) {
  return ((weight & kMagnitudeBits) < kLeastClassed) & ((weight & kMagnitudeBits) != 0);
}

/// What one pass over a slice finds out about a down_proj.
struct DownSlice {
  alignas(kCacheLine) Code code[kSlice];      // u of an element, 0 of a zero
  alignas(kCacheLine) Code negative[kSlice];  // |d| where t < 0 and w ≠ 0, else 0

  /// False if an element needs more than u.
  template <int kept_bits>
  bool fill(const Code* __restrict weight, const Code* __restrict delta, std::size_t count,
            const Bf16DownPlan& plan, Code sign_flip, GroupTally& tally) {
    const Code base = plan.base;
    const Code reach = plan.reach;
    const auto least_moved = static_cast<Code>(plan.least_moved - 1);
    Code special = 0;
    Code moved = 0;  // at most kSlice
    Code zeros = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Code w = weight[i];
      const Code d = delta[i];
      const auto magnitude = static_cast<Code>(d & kMagnitudeBits);
      const bool t_negative = ((d ^ sign_flip) & kNegativeZero) != 0;
      const bool zero = (w & kMagnitudeBits) == 0;
      special |= static_cast<Code>(is_unclassed(w) ? 1 : 0);
      special |= static_cast<Code>(static_cast<Code>(magnitude - 1) < least_moved ? 1 : 0);
      moved = static_cast<Code>(moved + ((!zero & (magnitude != 0)) ? 1 : 0));
      zeros = static_cast<Code>(zeros + (((w == kNegativeZero) & t_negative) ? 1 : 0));
      const Code over = static_cast<Code>((magnitude > base ? magnitude : base) - base);
      const Code above = over < reach ? over : reach;
      const auto m = static_cast<Code>(w & kSignificandBits);
      const auto significand =
          static_cast<Code>((m | kHiddenBit) + (((m == 0) & t_negative) ? kHiddenBit : 0));
      const Code u = down_code<kept_bits>(above, significand);
      code[i] = zero ? Code{0} : u;
      negative[i] = (!zero & t_negative) ? magnitude : Code{0};
    }
    tally.negative_zeros += zeros;
    tally.moved[0] += moved;
    return special == 0;
  }

  bool fill(const Code* weight, const Code* delta, std::size_t count, const Bf16DownPlan& plan,
            Code sign_flip, GroupTally& tally) {
    switch (plan.kept_bits) {
      case 10:
        return fill<10>(weight, delta, count, plan, sign_flip, tally);
      case 11:
        return fill<11>(weight, delta, count, plan, sign_flip, tally);
      case 12:
        return fill<12>(weight, delta, count, plan, sign_flip, tally);
      default:
        return fill<13>(weight, delta, count, plan, sign_flip, tally);
    }
  }
};

/// The first point that changes one element, by bisection over the definition.
std::uint8_t ask_element(const PointGroup& group, Code weight, Code delta) {
  const float w = Bf16::widen(weight);
  const float d = Bf16::widen(delta);
  std::size_t low = 0;
  std::size_t high = group.count;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const float t = contour_down(d, group.parameter[middle]);
    if (Bf16::narrow(apply_contour(t, w)) != weight) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return static_cast<std::uint8_t>(low);
}

/// Adds the elements of a slice by what their u tells, a whole number of kCopies of them.
template <bool flips>
void count_slice(const DownSlice& slice, const Code* __restrict weight,
                 const Code* __restrict delta, std::size_t count, const PointGroup& group,
                 const Bf16DownPlan& plan, Histogram& changed, Histogram& flipped) {
  const std::uint8_t* __restrict first_changed = plan.changed.data();
  const std::uint8_t* __restrict first_flipped = plan.flipped.data();
  for (std::size_t i = 0; i < count; i += kCopies) {
    std::uint8_t first[kCopies];
    std::uint8_t any = 0;
    for (std::size_t c = 0; c < kCopies; ++c) {
      first[c] = first_changed[slice.code[i + c]];
      any |= first[c];
    }
    if (any >= kAskElement) [[unlikely]] {
      for (std::size_t c = 0; c < kCopies; ++c) {
        if (first[c] == kAskElement) first[c] = ask_element(group, weight[i + c], delta[i + c]);
      }
    }
    for (std::size_t c = 0; c < kCopies; ++c) ++changed.copy[c][first[c]];
    if constexpr (flips) {
      for (std::size_t c = 0; c < kCopies; ++c) {
        ++flipped.copy[c][first_flipped[slice.negative[i + c]]];
      }
    }
  }
}

bool tally_down(const void* weight_bytes, const void* delta_bytes, std::size_t count,
                const PointGroup& group, const Bf16DownPlan& plan, GroupTally& tally) {
  const auto* weight = static_cast<const Code*>(weight_bytes);
  const auto* delta = static_cast<const Code*>(delta_bytes);
  const Code sign_flip = group.negative ? kNegativeZero : Code{0};
  Histogram changed;
  Histogram flipped;
  GroupTally block;
  for (std::size_t done = 0; done < count; done += kSlice) {
    std::size_t size = count - done < kSlice ? count - done : kSlice;
    const Code* w = weight + done;
    const Code* d = delta + done;
    Code padded_weight[kSlice];
    Code padded_delta[kSlice];
    if (size % kCopies != 0) {  // zeros are counted nowhere
      std::memset(padded_weight, 0, sizeof padded_weight);
      std::memset(padded_delta, 0, sizeof padded_delta);
      std::memcpy(padded_weight, w, size * sizeof *w);
      std::memcpy(padded_delta, d, size * sizeof *d);
      w = padded_weight;
      d = padded_delta;
      size += kCopies - size % kCopies;
    }
    DownSlice slice;
    if (!slice.fill(w, d, size, plan, sign_flip, block)) return false;
    if (plan.flips) {
      count_slice<true>(slice, w, d, size, group, plan, changed, flipped);
    } else {
      count_slice<false>(slice, w, d, size, group, plan, changed, flipped);
    }
  }
  changed.add_to(group.count, tally.changed);
  flipped.add_to(group.count, tally.flipped);
  tally.moved[0] += block.moved[0];
  tally.negative_zeros += block.negative_zeros;
  return true;
}

/// What one pass over a slice finds out about a gate_proj.
struct GateSlice {
  alignas(kCacheLine) float weight[kSlice];
  alignas(kCacheLine) float delta[kSlice];
  alignas(kCacheLine) Code difference[kSlice];            // of the result under d itself from w
  alignas(kCacheLine) std::uint8_t first[kSlice];         // γ that is at least |d|
  alignas(kCacheLine) std::uint8_t weight_class[kSlice];  // where d changes w
  Code changed = 0;                                       // at most kSlice, as all; of w ≠ 0
  Code moved = 0;
  Code flipped = 0;
  Code zeros = 0;  // w = −0, t negative

  /// False if an element has no class.
  template <bool classes>
  bool fill(const Code* __restrict w, const Code* __restrict d, std::size_t count) {
    float* __restrict wide_w = weight;
    float* __restrict wide_d = delta;
    Code* __restrict differs = difference;
    for (std::size_t i = 0; i < count; ++i) wide_w[i] = Bf16::widen(w[i]);
    for (std::size_t i = 0; i < count; ++i) wide_d[i] = Bf16::widen(d[i]);
    for (std::size_t i = 0; i < count; ++i) {
      differs[i] = static_cast<Code>(Bf16::narrow(apply_contour(wide_d[i], wide_w[i])) ^ w[i]);
    }
    Code special = 0;
    Code sums[4] = {};  // at most kSlice each
    for (std::size_t i = 0; i < count; ++i) {
      const bool zero = (w[i] & kMagnitudeBits) == 0;
      const bool negative = (d[i] & kNegativeZero) != 0;
      special |= static_cast<Code>(is_unclassed(w[i]) ? 1 : 0);
      sums[0] = static_cast<Code>(sums[0] + (((w[i] == kNegativeZero) & negative) ? 1 : 0));
      sums[1] = static_cast<Code>(sums[1] + ((!zero & (differs[i] != 0)) ? 1 : 0));
      sums[2] = static_cast<Code>(sums[2] + ((!zero & ((d[i] & kMagnitudeBits) != 0)) ? 1 : 0));
      sums[3] = static_cast<Code>(sums[3] + ((!zero & (d[i] > kMinusOne)) ? 1 : 0));
    }
    zeros = sums[0];
    changed = sums[1];
    moved = sums[2];
    flipped = sums[3];
    if constexpr (classes) {
      std::uint8_t* __restrict in_class = weight_class;
      for (std::size_t i = 0; i < count; ++i) {
        const bool zero = (w[i] & kMagnitudeBits) == 0;
        const bool negative = (d[i] & kNegativeZero) != 0;
        const auto m = static_cast<Code>(w[i] & kSignificandBits);
        const auto of_changed = static_cast<Code>(((m == 0) & negative) ? kWeightClasses - 1 : m);
        in_class[i] = static_cast<std::uint8_t>((zero | (differs[i] == 0)) ? Code{kWeightClasses}
                                                                           : of_changed);
      }
    }
    return special == 0;
  }

  void find_within(const Code* __restrict d, std::size_t count, const Bf16GatePlan& plan) {
    const std::uint8_t* __restrict within = plan.within.data();
    std::uint8_t* __restrict out = first;
    for (std::size_t i = 0; i < count; ++i) out[i] = within[d[i] & kMagnitudeBits];
  }
};

template <bool classes>
bool tally_gate(const Code* weight, const Code* delta, std::size_t count, const PointGroup& group,
                const Bf16GatePlan& plan, GroupTally& tally) {
  GateBins bins(group.count);
  std::uint32_t by_class[kCopies][kWeightClasses + 1] = {};
  std::uint64_t changed = 0;
  std::uint64_t moved = 0;
  std::uint64_t flipped = 0;
  std::uint64_t zeros = 0;
  for (std::size_t done = 0; done < count; done += kSlice) {
    const std::size_t size = count - done < kSlice ? count - done : kSlice;
    GateSlice slice;
    if (!slice.template fill<classes>(weight + done, delta + done, size)) return false;
    changed += slice.changed;
    moved += slice.moved;
    flipped += slice.flipped;
    zeros += slice.zeros;
    if constexpr (classes) {
      for (std::size_t i = 0; i < size; ++i) ++by_class[i % kCopies][slice.weight_class[i]];
    }
    slice.find_within(delta + done, size, plan);
    bins.template add<true>(slice.weight, slice.delta, slice.first, size);
  }
  bins.add_to(tally);
  if constexpr (classes) {
    for (const auto& copy : by_class) {
      for (std::size_t i = 0; i < kWeightClasses; ++i) tally.changed[plan.changed[i]] += copy[i];
    }
  } else {
    tally.changed[plan.changed[0]] += changed;
  }
  tally.moved[first_above(group, 0.0F)] += moved;
  tally.flipped[first_above(group, 1.0F)] += flipped;
  tally.negative_zeros += zeros;
  return true;
}

bool tally_any_gate(const void* weight, const void* delta, std::size_t count,
                    const PointGroup& group, const Bf16GatePlan& plan, GroupTally& tally) {
  const auto* w = static_cast<const Code*>(weight);
  const auto* d = static_cast<const Code*>(delta);
  return plan.classes_alike ? tally_gate<false>(w, d, count, group, plan, tally)
                            : tally_gate<true>(w, d, count, group, plan, tally);
}

}  // namespace

// The level's table; no dynamic initialiser, which would run on processors without the level.
Bf16GridKernels bf16_grid_table();
Bf16GridKernels bf16_grid_table() { return {tally_down, tally_any_gate}; }

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
