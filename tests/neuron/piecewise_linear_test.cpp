// Odd piecewise-linear functions and the odd/even split.
#include "contourfuse/neuron/piecewise_linear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

TEST(PiecewiseLinear, FollowsItsKnotsAndIsOdd) {
  const PiecewiseLinear f({0.5, 1.5}, {0, 1, -2});
  EXPECT_EQ(f(0), 0);
  EXPECT_EQ(f(0.25), 0);
  EXPECT_EQ(f(1), 0.5);
  EXPECT_EQ(f(1.5), 1);
  EXPECT_EQ(f(3), -2);
  EXPECT_EQ(f(-1), -0.5);
  EXPECT_EQ(f(-3), 2);
  EXPECT_EQ(f.derivative(0.49), 0);
  EXPECT_EQ(f.derivative(0.5), 1);
  EXPECT_EQ(f.derivative(-2), -2);
}

TEST(PiecewiseLinear, RefusesWhatIsNoFunction) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double inf = std::numeric_limits<double>::infinity();
  using V = std::vector<double>;
  EXPECT_THROW(PiecewiseLinear(V{1}, V{1}), Error);
  EXPECT_THROW(PiecewiseLinear(V{}, V{}), Error);
  EXPECT_THROW(PiecewiseLinear(V{0}, V{1, 2}), Error);
  EXPECT_THROW(PiecewiseLinear(V{-1}, V{1, 2}), Error);
  EXPECT_THROW(PiecewiseLinear(V{2, 1}, V{1, 2, 3}), Error);
  EXPECT_THROW(PiecewiseLinear(V{1, 1}, V{1, 2, 3}), Error);
  EXPECT_THROW(PiecewiseLinear(V{nan}, V{1, 2}), Error);
  EXPECT_THROW(PiecewiseLinear(V{inf}, V{1, 2}), Error);
  EXPECT_THROW(PiecewiseLinear(V{1}, V{1, nan}), Error);
}

TEST(SplitOdd, ReluIsHalfLinearAndHalfEven) {
  const std::vector<double> knots{0};
  const std::vector<double> slopes{0, 1};
  const OddSplit split = split_odd(knots, slopes, 0);
  EXPECT_EQ(split.odd(2), 1);
  EXPECT_EQ(split.odd(-2), -1);
  EXPECT_EQ(split.even_magnitude, 3);  // |z|/2 at z = 6
}

TEST(SplitOdd, OddInputHasNoEvenPart) {
  const std::vector<double> knots{-1, 1};
  const std::vector<double> slopes{0, 1, 0};
  const OddSplit split = split_odd(knots, slopes, 0);
  EXPECT_EQ(split.even_magnitude, 0);
  EXPECT_EQ(split.odd.knots(), std::vector<double>{1});
  EXPECT_EQ(split.odd.slopes(), (std::vector<double>{1, 0}));
  EXPECT_EQ(split_odd(knots, slopes, 0.25).even_magnitude, 0.25);
}

TEST(SplitOdd, PartsAddUpAtEveryPoint) {
  const std::vector<double> knots{-2, -0.5, 0.5, 3};
  const std::vector<double> slopes{1, -1, 0.5, 2, -0.25};
  const double at_zero = 0.75;
  const auto g = [&](double z) {
    double value = at_zero;
    constexpr int steps = 4096;
    for (int i = 0; i < steps; ++i) {
      const double x = z * (i + 0.5) / steps;
      std::size_t piece = 0;
      while (piece < knots.size() && knots[piece] <= x) ++piece;
      value += slopes[piece] * z / steps;
    }
    return value;
  };
  const OddSplit split = split_odd(knots, slopes, at_zero);
  double even = 0;
  for (double z = 0; z <= 6; z += 0.125) {
    // The midpoint sum is off by at most one step per knot.
    EXPECT_NEAR(split.odd(z), (g(z) - g(-z)) / 2, 1e-2) << z;
    even = std::max(even, std::fabs(g(z) + g(-z)) / 2);
  }
  EXPECT_NEAR(split.even_magnitude, even, 1e-2);
}

}  // namespace
}  // namespace contourfuse
