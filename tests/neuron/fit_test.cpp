// The fit against the errors that the design promises, by an integration of its own.
#include "contourfuse/neuron/fit.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "contourfuse/core/error.hpp"
#include "contourfuse/neuron/bank.hpp"

namespace contourfuse {
namespace {

double cell_value(Activation activation, const SourceNeuron& s, double z) {
  double value = 0;
  for (std::size_t j = 0; j < s.gains.size(); ++j) {
    value += static_cast<double>(s.coefficients[j]) *
             mirrored_pair(activation, static_cast<double>(s.gains[j]), z);
  }
  return value;
}

// ‖F − f‖/‖f‖ under the normal density on [−6, 6], by the midpoint rule.
double relative_error(Activation activation, const SourceNeuron& s) {
  constexpr int steps = 20000;
  double error = 0;
  double energy = 0;
  for (int i = 0; i < steps; ++i) {
    const double z = 6 * (i + 0.5) / steps;
    const double density = std::exp(-z * z / 2);
    const double f = s.function(z);
    const double difference = cell_value(activation, s, z) - f;
    error += density * difference * difference;
    energy += density * f * f;
  }
  return std::sqrt(error / energy);
}

struct Promise {
  Activation activation;
  std::uint64_t gains;
  double per_cent[6];
};

// Figures of the default families in order, in per cent, given to one digit.
constexpr Promise kPromises[] = {
    {Activation::kGeluTanh, 8, {1.3, 3.7, 2.2, 2.8, 4.2, 1.6}},
    {Activation::kSilu, 8, {1.5, 3.1, 1.7, 2.5, 4.0, 1.9}},
    {Activation::kGeluTanh, 4, {3.3, 5.3, 2.4, 4.6, 5.1, 3.9}},
};

TEST(Fit, DefaultFamiliesReachTheirErrorsAfterQuantisation) {
  for (const Promise& promise : kPromises) {
    const NeuronBank bank = make_default_bank(promise.activation, promise.gains);
    ASSERT_EQ(bank.sources.size(), 6U);
    for (std::size_t i = 0; i < 6; ++i) {
      const SourceNeuron& s = bank.sources[i];
      EXPECT_LE(100 * s.fit_error, promise.per_cent[i] + 0.05) << s.name;
      EXPECT_NEAR(s.fit_error, relative_error(promise.activation, s), 1e-5) << s.name;
      ASSERT_EQ(s.coefficients.size(), promise.gains);
      for (const float k : s.coefficients) {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(k) & 0xFFFFU, 0U) << s.name;
        EXPECT_LE(std::fabs(k), 4.0F) << s.name;
      }
      EXPECT_GT(s.storage_error, 0.0005) << s.name;
      EXPECT_LT(s.storage_error, 0.02) << s.name;
    }
  }
}

// Around the chosen vector no single step to a neighbouring bf16 value is better: the search found
// at least a local optimum of the objective, of which the value error is the main part.
TEST(Fit, NoNeighbouringCoefficientIsMuchBetter) {
  const NeuronBank bank = make_default_bank(Activation::kSilu, 8);
  for (const SourceNeuron& s : bank.sources) {
    const double reached = relative_error(bank.activation, s);
    for (std::size_t j = 0; j < s.coefficients.size(); ++j) {
      for (const int step : {-1, 1}) {
        SourceNeuron moved = s;
        const auto bits =
            static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(s.coefficients[j]));
        moved.coefficients[j] =
            std::bit_cast<float>(static_cast<std::uint32_t>(bits + step * 65536));
        // The derivative and ridge terms may pull the optimum off the value error's own.
        EXPECT_GT(relative_error(bank.activation, moved), 0.9 * reached) << s.name << " k" << j;
      }
    }
  }
}

TEST(Fit, IsTheSameEveryTime) {
  const NeuronBank a = make_default_bank(Activation::kGelu, 8);
  const NeuronBank b = make_default_bank(Activation::kGelu, 8);
  for (std::size_t i = 0; i < a.sources.size(); ++i) {
    EXPECT_EQ(a.sources[i].coefficients, b.sources[i].coefficients);
    EXPECT_EQ(a.sources[i].fit_error, b.sources[i].fit_error);
    EXPECT_LT(a.sources[i].fit_error, 0.05);
  }
}

TEST(Fit, RefusesAFunctionThatVanishes) {
  const float gains[] = {0.5F, 1, 2, 32};
  EXPECT_THROW(static_cast<void>(fit_cell(Activation::kSilu, PiecewiseLinear({}, {0}), gains)),
               Error);
  EXPECT_THROW(static_cast<void>(fit_cell(Activation::kSilu, PiecewiseLinear({7}, {0, 1}), gains)),
               Error);
}

}  // namespace
}  // namespace contourfuse
