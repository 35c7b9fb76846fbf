// Activations against known values, derivatives against differences.
#include "contourfuse/neuron/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

constexpr Activation kAll[] = {Activation::kGeluTanh, Activation::kGelu, Activation::kSilu};

TEST(Activation, NamesAreThoseOfConfigs) {
  EXPECT_EQ(parse_activation("gelu_pytorch_tanh"), Activation::kGeluTanh);
  EXPECT_EQ(parse_activation("gelu"), Activation::kGelu);
  EXPECT_EQ(parse_activation("silu"), Activation::kSilu);
  EXPECT_EQ(parse_activation("swish"), Activation::kSilu);
  for (const Activation a : kAll) EXPECT_EQ(parse_activation(to_string(a)), a);
  try {
    static_cast<void>(parse_activation("relu"));
    FAIL() << "relu was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "unknown-activation");
    EXPECT_EQ(error.failure(), Failure::kBadInput);
  }
}

// Values from an arbitrary-precision calculator, rounded to 16 digits.
TEST(Activation, ValuesAreKnownOnes) {
  EXPECT_NEAR(activate(Activation::kSilu, 1), 0.7310585786300049, 1e-15);
  EXPECT_NEAR(activate(Activation::kSilu, -2), -0.2384058440442351, 1e-15);
  EXPECT_NEAR(activate(Activation::kGelu, 1), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(activate(Activation::kGelu, -2), -0.0455002638963584, 1e-15);
  EXPECT_NEAR(activate(Activation::kGeluTanh, 1), 0.8411919906082768, 1e-15);
  for (const Activation a : kAll) EXPECT_EQ(activate(a, 0), 0);
}

// Long enough for vectors and for what is left over after them.
TEST(Activation, ManyAtOnceAreAsEachAlone) {
  std::vector<double> x;
  for (int i = -101; i < 100; ++i) x.push_back(0.113 * i);
  for (const double far : {-1e30, -800.0, 800.0, 1e30}) x.push_back(far);
  for (const Activation a : kAll) {
    std::vector<double> values = x;
    activate(a, values);
    for (std::size_t i = 0; i < x.size(); ++i) {
      // A few units of the last place of the larger of 1 and tanh or erf, times x.
      EXPECT_NEAR(values[i], activate(a, x[i]), 1e-15 * std::abs(x[i])) << to_string(a) << x[i];
    }
  }
}

TEST(Activation, DerivativesAreSlopes) {
  constexpr double h = 1e-5;
  for (const Activation a : kAll) {
    for (double x = -5; x <= 5; x += 0.37) {
      // Third derivatives are below 2, so the central difference is off by less than h²; its
      // cancellation costs 5·2^-53/h.
      const double slope = (activate(a, x + h) - activate(a, x - h)) / (2 * h);
      EXPECT_NEAR(activate_derivative(a, x), slope, h * h + 1e-10) << to_string(a) << " at " << x;
      const double pair = (mirrored_pair(a, 2, x + h) - mirrored_pair(a, 2, x - h)) / (2 * h);
      EXPECT_NEAR(mirrored_pair_derivative(a, 2, x), pair, 1e-8) << to_string(a) << " at " << x;
    }
  }
}

TEST(Activation, MirroredPairIsOddAndForSiluAKnownFunction) {
  for (const Activation a : kAll) {
    for (double z = 0.01; z < 6; z += 0.29) {
      EXPECT_EQ(mirrored_pair(a, 4, -z), -mirrored_pair(a, 4, z));
      EXPECT_GT(mirrored_pair(a, 4, z), 0);
    }
  }
  for (double z = -4; z < 4; z += 0.31) {
    const double u = 8 * z;
    EXPECT_NEAR(mirrored_pair(Activation::kSilu, 8, z), u * u * std::tanh(u / 2),
                1e-14 * (1 + u * u));
  }
}

}  // namespace
}  // namespace contourfuse
