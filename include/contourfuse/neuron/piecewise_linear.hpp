// Source neurons and derivative neurons: odd piecewise-linear functions.
#pragma once

#include <span>
#include <vector>

namespace contourfuse {

/// f on z ≥ 0 by knots 0 < t_1 < … < t_m and slopes s_0 … s_m, f(0) = 0, f(−z) = −f(z).
class PiecewiseLinear {
 public:
  /// Throws Error{kBadInput} unless knots ascend, are positive and finite, and there is one slope
  /// more than knots.
  PiecewiseLinear(std::vector<double> knots, std::vector<double> slopes);

  [[nodiscard]] double operator()(double z) const noexcept;
  /// f′(z), the derivative neuron: even, right-continuous on z ≥ 0.
  [[nodiscard]] double derivative(double z) const noexcept;
  [[nodiscard]] const std::vector<double>& knots() const noexcept { return knots_; }
  [[nodiscard]] const std::vector<double>& slopes() const noexcept { return slopes_; }

 private:
  std::vector<double> knots_;
  std::vector<double> slopes_;
};

/// A function given on the whole line (knots may be negative), split into its odd part and the
/// largest magnitude of its even part on [−6, 6].
struct OddSplit {
  PiecewiseLinear odd;
  double even_magnitude;
};
[[nodiscard]] OddSplit split_odd(std::span<const double> knots, std::span<const double> slopes,
                                 double value_at_zero);

}  // namespace contourfuse
