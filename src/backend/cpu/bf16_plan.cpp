// Tables that make a group of points cheap for bf16 weights.
#include "bf16_plan.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse {
namespace {

constexpr std::uint16_t kInfinityCode = 0x7F80;

/// The least number of [low, high] that is `true_of`, which holds for `high` and from there down
/// to it.
template <class Number, class Predicate>
Number least(Number low, Number high, Predicate true_of) {
  while (low < high) {
    const auto middle = static_cast<Number>(low + (high - low) / 2);
    if (true_of(middle)) {
      high = middle;
    } else {
      low = static_cast<Number>(middle + 1);
    }
  }
  return low;
}

/// The least code of |d| of which `true_of` holds; infinity's if there is no finite one.
template <class Predicate>
std::uint16_t least_code(Predicate true_of) {
  return least<std::uint16_t>(0, kInfinityCode, [&](std::uint16_t code) {
    return code == kInfinityCode || true_of(Bf16::widen(code));
  });
}

/// The same, found from a code that is near.
template <class Predicate>
std::uint16_t least_code_near(std::uint16_t code, Predicate true_of) {
  while (code > 0 && true_of(Bf16::widen(static_cast<std::uint16_t>(code - 1)))) --code;
  while (code < kInfinityCode && !true_of(Bf16::widen(code))) ++code;
  return code;
}

std::uint16_t significand_of(std::size_t weight_class) {
  return static_cast<std::uint16_t>(128 + weight_class);
}

std::uint16_t code_of(int kept_bits, std::uint16_t above, std::uint16_t significand) {
  switch (kept_bits) {
    case 10:
      return down_code<10>(above, significand);
    case 11:
      return down_code<11>(above, significand);
    case 12:
      return down_code<12>(above, significand);
    default:
      return down_code<13>(above, significand);
  }
}

std::array<float, kWeightClasses> all_thresholds() {
  std::array<float, kWeightClasses> thresholds{};
  for (std::size_t i = 0; i < kWeightClasses; ++i) thresholds[i] = contour_threshold(i);
  return thresholds;
}

/// By point and class: the least code of |d| that changes a weight.
using Thresholds = std::vector<std::array<std::uint16_t, kWeightClasses>>;

Thresholds delta_thresholds(const PointGroup& group) {
  static const std::array<float, kWeightClasses> contours = all_thresholds();
  Thresholds thresholds(group.count);
  for (std::size_t point = 0; point < group.count; ++point) {
    const float scale = std::fabs(group.parameter[point]);
    for (std::size_t i = 0; i < kWeightClasses; ++i) {
      const auto near = static_cast<std::uint16_t>(bits_of_float(contours[i] / scale) >> 16U);
      thresholds[point][i] =
          least_code_near(near, [&](float d) { return contour_down(d, scale) >= contours[i]; });
    }
  }
  return thresholds;
}

/// Settles base, reach and kept_bits; false if no number of bits fits.
bool fit_codes(const Thresholds& thresholds, Bf16DownPlan& plan) {
  std::uint16_t lowest = kInfinityCode;
  std::uint16_t highest = 0;
  for (const auto& of_point : thresholds) {
    const auto [low, high] = std::minmax_element(of_point.begin(), of_point.end());
    lowest = std::min(lowest, *low);
    highest = std::max(highest, *high);
  }
  if (lowest < kLeastClassed || highest == kInfinityCode) return false;
  plan.base = static_cast<std::uint16_t>(((lowest - 1U) >> 7U) << 7U);
  for (int bits = 13; bits >= 10; --bits) {
    const unsigned octaves = (1U << static_cast<unsigned>(15 - bits)) - 1;
    plan.reach = static_cast<std::uint16_t>((octaves << 7U) - 1);
    plan.kept_bits = bits;
    if (highest <= plan.base + plan.reach) return true;
  }
  return false;
}

/// What each u says of each point, from the codes on either side of the thresholds themselves.
void fill_changed(const Thresholds& thresholds, Bf16DownPlan& plan) {
  const std::size_t points = thresholds.size();
  plan.changed.fill(static_cast<std::uint8_t>(points));
  // From the largest parameter, whose thresholds are the lowest, to the smallest.
  for (std::size_t point = points; point-- > 0;) {
    std::uint16_t may = kMagnitudes - 1;  // the least u of an element that changes
    std::uint16_t must = 0;               // one above the largest u of one that does not
    for (std::size_t i = 0; i < kWeightClasses; ++i) {
      const auto above = static_cast<std::uint16_t>(thresholds[point][i] - plan.base);
      const std::uint16_t changes = code_of(plan.kept_bits, above, significand_of(i));
      const std::uint16_t stays =
          code_of(plan.kept_bits, static_cast<std::uint16_t>(above - 1), significand_of(i));
      may = std::min(may, changes);
      must = std::max(must, static_cast<std::uint16_t>(stays + 1));
    }
    for (std::size_t u = must; u < kMagnitudes; ++u) {
      plan.changed[u] = static_cast<std::uint8_t>(point);
    }
    for (std::size_t u = may; u < must; ++u) plan.changed[u] = kAskElement;
  }
}

}  // namespace

float contour_threshold(std::size_t weight_class) {
  const bool below_a_power = weight_class == kWeightClasses - 1;
  const std::uint32_t sign = below_a_power ? 0x80000000U : 0U;
  const auto stored = static_cast<std::uint16_t>(
      0x3F80U | (below_a_power ? 0U : static_cast<unsigned>(weight_class)));
  return float_of_bits(least<std::uint32_t>(0, bits_of_float(1.0F), [&](std::uint32_t bits) {
    return Bf16::narrow(apply_contour(float_of_bits(bits | sign), Bf16::widen(stored))) != stored;
  }));
}

std::unique_ptr<Bf16DownPlan> plan_bf16_down(const PointGroup& group, float largest_delta) {
  if (group.parameter[0] == 0) return nullptr;
  auto plan = std::make_unique<Bf16DownPlan>();
  const Thresholds thresholds = delta_thresholds(group);
  if (!fit_codes(thresholds, *plan)) return nullptr;
  fill_changed(thresholds, *plan);
  const float smallest = std::fabs(group.parameter[0]);
  plan->least_moved = least_code([&](float d) { return contour_down(d, smallest) != 0; });
  plan->flipped.fill(static_cast<std::uint8_t>(group.count));
  for (std::size_t point = group.count; point-- > 0;) {
    const float scale = std::fabs(group.parameter[point]);
    const std::uint16_t code = least_code([&](float d) { return contour_down(d, scale) > 1; });
    plan->flips = plan->flips || Bf16::widen(code) <= largest_delta;
    std::fill(plan->flipped.begin() + code, plan->flipped.end(), static_cast<std::uint8_t>(point));
  }
  return plan;
}

std::unique_ptr<Bf16GatePlan> plan_bf16_gate(const PointGroup& group) {
  auto plan = std::make_unique<Bf16GatePlan>();
  std::size_t point = 0;
  for (std::size_t code = 0; code < kMagnitudes; ++code) {
    const float d = Bf16::widen(static_cast<std::uint16_t>(code));
    while (point < group.count && !(d <= group.parameter[point])) ++point;
    plan->within[code] = static_cast<std::uint8_t>(point);
  }
  for (std::size_t i = 0; i < kWeightClasses; ++i) {
    const float threshold = contour_threshold(i);
    const auto first = std::find_if(
        group.parameter.begin(), group.parameter.begin() + static_cast<std::ptrdiff_t>(group.count),
        [&](float gamma) { return gamma >= threshold; });
    plan->changed[i] = static_cast<std::uint8_t>(first - group.parameter.begin());
  }
  const auto [low, high] = std::minmax_element(plan->changed.begin(), plan->changed.end());
  plan->classes_alike = *low == *high;
  return plan;
}

}  // namespace contourfuse
