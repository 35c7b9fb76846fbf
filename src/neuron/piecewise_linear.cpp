// Odd piecewise-linear functions, and the split of a given function into odd and even part.
#include "contourfuse/neuron/piecewise_linear.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

// The density outside of [−6, 6] is below 1e-8: no fit looks there.
constexpr double kLastZ = 6;

void require_ascending(std::span<const double> knots, std::span<const double> slopes) {
  if (slopes.size() != knots.size() + 1) {
    throw Error(Failure::kBadInput, "bad-source-neuron",
                "a piecewise-linear function needs one slope more than it has knots");
  }
  for (std::size_t i = 0; i < knots.size(); ++i) {
    if (!std::isfinite(knots[i]) || (i > 0 && knots[i] <= knots[i - 1])) {
      throw Error(Failure::kBadInput, "bad-source-neuron", "knots must be finite and ascend");
    }
  }
  if (!std::all_of(slopes.begin(), slopes.end(), [](double s) { return std::isfinite(s); })) {
    throw Error(Failure::kBadInput, "bad-source-neuron", "slopes must be finite");
  }
}

// Slope of the piece right of z.
double slope_at(std::span<const double> knots, std::span<const double> slopes, double z) {
  const auto above = std::upper_bound(knots.begin(), knots.end(), z);
  return slopes[static_cast<std::size_t>(above - knots.begin())];
}

// Slope of the piece left of z.
double slope_before(std::span<const double> knots, std::span<const double> slopes, double z) {
  const auto above = std::lower_bound(knots.begin(), knots.end(), z);
  return slopes[static_cast<std::size_t>(above - knots.begin())];
}

}  // namespace

PiecewiseLinear::PiecewiseLinear(std::vector<double> knots, std::vector<double> slopes)
    : knots_(std::move(knots)), slopes_(std::move(slopes)) {
  require_ascending(knots_, slopes_);
  if (!knots_.empty() && knots_.front() <= 0) {
    throw Error(Failure::kBadInput, "bad-source-neuron",
                "the knots of an odd function are given for z > 0");
  }
}

double PiecewiseLinear::operator()(double z) const noexcept {
  const double magnitude = std::fabs(z);
  double value = 0;
  double left = 0;
  for (std::size_t i = 0; i < slopes_.size(); ++i) {
    const double right = i < knots_.size() ? std::min(knots_[i], magnitude) : magnitude;
    value += slopes_[i] * (right - left);
    left = right;
    if (right == magnitude) break;
  }
  return std::signbit(z) ? -value : value;
}

double PiecewiseLinear::derivative(double z) const noexcept {
  return slope_at(knots_, slopes_, std::fabs(z));
}

OddSplit split_odd(std::span<const double> knots, std::span<const double> slopes,
                   double value_at_zero) {
  require_ascending(knots, slopes);
  if (!std::isfinite(value_at_zero)) {
    throw Error(Failure::kBadInput, "bad-source-neuron", "the value at zero must be finite");
  }
  std::vector<double> magnitudes;
  for (const double knot : knots) {
    if (knot != 0) magnitudes.push_back(std::fabs(knot));
  }
  std::sort(magnitudes.begin(), magnitudes.end());
  magnitudes.erase(std::unique(magnitudes.begin(), magnitudes.end()), magnitudes.end());

  // On a piece (a, b) of z > 0 the odd part has the mean of the slopes at z and −z, the even part
  // half their difference.
  std::vector<double> odd_slopes;
  double even = value_at_zero;
  double even_magnitude = std::fabs(even);
  double left = 0;
  for (std::size_t i = 0; i <= magnitudes.size(); ++i) {
    const double right_slope = slope_at(knots, slopes, left);
    const double left_slope = slope_before(knots, slopes, -left);
    odd_slopes.push_back(0.5 * right_slope + 0.5 * left_slope);
    const double right = std::min(i < magnitudes.size() ? magnitudes[i] : kLastZ, kLastZ);
    if (right > left) even += (0.5 * right_slope - 0.5 * left_slope) * (right - left);
    even_magnitude = std::max(even_magnitude, std::fabs(even));
    if (i < magnitudes.size()) left = magnitudes[i];
  }
  return OddSplit{.odd = PiecewiseLinear(std::move(magnitudes), std::move(odd_slopes)),
                  .even_magnitude = even_magnitude};
}

}  // namespace contourfuse
