// The output grid against a direct evaluation in f64, point by point.
#include "contourfuse/sweep/output_grid.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <ostream>

#include "contourfuse/core/error.hpp"
#include "sweep/output_pass.hpp"
#include "sweep/output_reference.hpp"

namespace contourfuse {
namespace test {

void PrintTo(const MlpCase& wanted, std::ostream* out) { *out << wanted.name; }

}  // namespace test

namespace {

using test::MlpCase;
using test::TestMlp;

/// Sums in f64, so that what differs from the reference is the grid's own doing.
class PlainProducts final : public Products {
 public:
  class Sum final : public ProductSum {
   public:
    Sum(std::uint64_t rows, std::uint64_t cols) : sums_(rows * cols) {}
    void add(const FloatMatrix& a, const FloatMatrix& b) override {
      ASSERT_EQ(a.cols, b.cols);
      ASSERT_EQ(a.rows * b.rows, sums_.size());
      for (std::uint64_t i = 0; i < sums_.size(); ++i) {
        const float* const x = a.values + i / b.rows * a.stride;
        const float* const y = b.values + i % b.rows * b.stride;
        for (std::uint64_t k = 0; k < a.cols; ++k) sums_[i] += double{x[k]} * double{y[k]};
      }
    }
    void read(std::span<float> out) const override {
      ASSERT_EQ(out.size(), sums_.size());
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(sums_[i]);
    }

   private:
    std::vector<double> sums_;
  };

  void multiply(const FloatMatrix& a, const FloatMatrix& b, std::span<float> out) override {
    ++made;
    Sum sum(a.rows, b.rows);
    sum.add(a, b);
    sum.read(out);
  }
  [[nodiscard]] std::unique_ptr<ProductSum> sum(std::uint64_t rows, std::uint64_t cols) override {
    ++sums;
    return std::make_unique<Sum>(rows, cols);
  }

  int made = 0;
  int sums = 0;
};

class CountedProgress final : public Progress {
 public:
  void advance(std::uint64_t bytes) override { total += bytes; }
  std::atomic<std::uint64_t> total{0};
};

OutputGrid measured(const TestMlp& mlp, const Execution& execution = {.threads = 2}) {
  PlainProducts products;
  return measure_outputs(mlp.job(), products, execution);
}

bool same_bits(const OutputPoint& a, const OutputPoint& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

/// What is f32 here (z, u, hidden rows, changes of weights, e and q) is off by 2⁻²⁴ of itself, at
/// random: over a sum of squares that is far below 1e-6 of it, the change of a norm included.
void expect_near(const OutputGrid& grid, const OutputGrid& expected, double relative = 2e-6) {
  EXPECT_EQ(grid.values, expected.values);
  EXPECT_NEAR(grid.base2, expected.base2, relative * expected.base2);
  ASSERT_EQ(grid.norm_base2.has_value(), expected.norm_base2.has_value());
  if (expected.norm_base2) {
    EXPECT_NEAR(*grid.norm_base2, *expected.norm_base2, relative * *expected.norm_base2);
  }
  ASSERT_EQ(grid.points.size(), expected.points.size());
  for (std::size_t i = 0; i < grid.points.size(); ++i) {
    SCOPED_TRACE("point " + std::to_string(i));
    const OutputPoint& point = grid.points[i];
    const OutputPoint& wanted = expected.points[i];
    EXPECT_NEAR(point.change2, wanted.change2, relative * wanted.change2);
    EXPECT_NEAR(point.change, wanted.change,
                relative * std::sqrt(wanted.change2 * static_cast<double>(grid.values)));
    EXPECT_NEAR(point.cross, wanted.cross, relative * std::sqrt(expected.base2 * wanted.out2));
    EXPECT_NEAR(point.out2, wanted.out2, relative * wanted.out2);
    EXPECT_NEAR(point.norm_change2, wanted.norm_change2, relative * wanted.norm_change2);
  }
}

class OutputGridOf : public testing::TestWithParam<MlpCase> {};

TEST_P(OutputGridOf, IsTheDirectEvaluation) {
  const TestMlp mlp(GetParam());
  const OutputGrid expected = mlp.reference();
  ASSERT_EQ(expected.points.size(), GetParam().gammas.size() * GetParam().alphas.size());
  expect_near(measured(mlp), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, OutputGridOf,
    testing::Values(
        MlpCase{},
        MlpCase{.name = "f16_gelu", .dtype = DType::kF16, .activation = Activation::kGelu},
        MlpCase{.name = "f32_silu", .dtype = DType::kF32, .activation = Activation::kSilu},
        MlpCase{.name = "f32_delta", .delta_dtype = DType::kF32},
        MlpCase{.name = "f16_delta", .dtype = DType::kF32, .delta_dtype = DType::kF16},
        MlpCase{.name = "partial", .partial = true},
        MlpCase{.name = "gate_alone", .down_edited = false},
        MlpCase{.name = "down_alone", .gate_edited = false},
        MlpCase{.name = "nothing", .gate_edited = false, .down_edited = false},
        MlpCase{.name = "no_norm", .norm = false},
        MlpCase{.name = "one_point", .gammas = {0.3F}, .alphas = {0.5F}},
        MlpCase{.name = "nothing_clamps", .gammas = {100, 25, 30}},
        MlpCase{.name = "last_one_clamps", .last_delta = 10, .gammas = {50, 5}},
        MlpCase{
            .name = "last_covered_clamps", .partial = true, .last_delta = 10, .gammas = {50, 5}},
        MlpCase{.name = "exact_bf16", .exact = true},
        MlpCase{.name = "exact_f16", .dtype = DType::kF16, .exact = true},
        MlpCase{.name = "exact_f32", .dtype = DType::kF32, .exact = true},
        MlpCase{.name = "exact_partial", .partial = true, .exact = true},
        MlpCase{.name = "stochastic_bf16", .exact = true, .stochastic = true},
        MlpCase{.name = "stochastic_f16", .dtype = DType::kF16, .exact = true, .stochastic = true},
        MlpCase{.name = "exact_down_alone", .gate_edited = false, .exact = true}),
    [](const auto& wanted) { return wanted.param.name; });

TEST(OutputGrid, OfEditsOfAHundredThousandthIsAsAccurate) {
  MlpCase tiny{.dtype = DType::kF32, .gammas = {0, 1e-5F}, .alphas = {0, 1e-5F}};
  const TestMlp mlp(tiny);
  const OutputGrid expected = mlp.reference();
  const OutputGrid grid = measured(mlp);
  EXPECT_EQ(grid.points[0].change2, 0);
  EXPECT_EQ(grid.points[0].norm_change2, 0);
  EXPECT_GT(grid.points[3].change2, 0);
  EXPECT_LT(grid.points[3].change2, 1e-8 * grid.base2);
  expect_near(grid, expected);
}

TEST(OutputGrid, ExactIsNotTheSameAsBeforeRounding) {
  MlpCase small{.gammas = {0.001F}, .alphas = {0.001F}};
  const OutputGrid smooth = measured(TestMlp(small));
  small.exact = true;
  const OutputGrid lost = measured(TestMlp(small));
  // A change of a thousandth is less than half a unit in bf16's last place almost everywhere.
  EXPECT_LT(lost.points[0].change2, 0.2 * smooth.points[0].change2);
}

TEST(OutputGrid, ProductsDependOnDistinctGammasAndNotOnAlphas) {
  constexpr int kTiles = 2;
  MlpCase wanted{.gammas = {0.5F, 90, 0.25F, 80, 0.5F}, .alphas = {1, 2, 3, 4, 5, 6, 7}};
  const TestMlp mlp(wanted);
  PlainProducts products;
  const OutputGrid grid = measure_outputs(mlp.job(), products, {.threads = 1});
  // z, u, and one for each of the values 0.5, 0.25 and beyond the largest delta.
  EXPECT_EQ(products.made, kTiles * (2 + 3));
  EXPECT_EQ(products.sums, 3);
  for (std::size_t a = 0; a < wanted.alphas.size(); ++a) {
    const auto at = [&](std::size_t gamma) {
      return grid.points[gamma * wanted.alphas.size() + a];
    };
    EXPECT_TRUE(same_bits(at(0), at(4)));
    EXPECT_TRUE(same_bits(at(1), at(3)));
    EXPECT_FALSE(same_bits(at(0), at(1)));
    EXPECT_FALSE(same_bits(at(0), at(2)));
  }
}

TEST(OutputGrid, TooLargeForMemoryIsMeasuredInPasses) {
  struct Case {
    bool exact;
    std::uint64_t memory;
    int passes;
    int sums;  // of a pass: base, gate, and one an edit of down
  };
  // Of four γ, two at once need about 45,000 bytes; the last memory holds one point at a time.
  for (const Case& limit : {Case{false, 50'000, 2, 3}, Case{false, 1, 4, 3},
                            Case{true, 50'000, 2, 5}, Case{true, 1, 4 * 3, 3}}) {
    const TestMlp mlp(MlpCase{.exact = limit.exact, .gammas = {0.1F, 1, 0.2F, 0.3F}});
    PlainProducts once;
    const OutputGrid expected = measure_outputs(mlp.job(), once, {.threads = 1});
    EXPECT_EQ(once.sums, limit.exact ? 5 : 3);
    PlainProducts products;
    CountedProgress progress;
    const OutputGrid grid = measure_outputs_within(limit.memory, mlp.job(), products,
                                                   {.threads = 1, .progress = &progress});
    EXPECT_EQ(products.sums, limit.passes * limit.sums);
    EXPECT_EQ(progress.total, mlp.bytes());
    EXPECT_EQ(grid.base2, expected.base2);
    ASSERT_EQ(grid.points.size(), expected.points.size());
    for (std::size_t i = 0; i < grid.points.size(); ++i) {
      EXPECT_TRUE(same_bits(grid.points[i], expected.points[i])) << i;
    }
  }
}

TEST(OutputGrid, IsTheSameForAnyNumberOfThreads) {
  const TestMlp mlp(MlpCase{.partial = true});
  const OutputGrid one = measured(mlp, {.threads = 1});
  for (const int threads : {2, 5}) {
    const OutputGrid many = measured(mlp, {.threads = threads});
    EXPECT_EQ(one.base2, many.base2);
    for (std::size_t i = 0; i < one.points.size(); ++i) {
      EXPECT_TRUE(same_bits(one.points[i], many.points[i])) << i;
    }
  }
}

TEST(OutputGrid, AdvancesByTheBytesOfTheMatrices) {
  const TestMlp mlp(MlpCase{});
  CountedProgress progress;
  static_cast<void>(measured(mlp, {.threads = 2, .progress = &progress}));
  EXPECT_EQ(progress.total, mlp.bytes());
}

TEST(OutputGrid, StopsWhenCancelled) {
  const TestMlp mlp(MlpCase{});
  Cancellation cancellation;
  cancellation.request();
  try {
    static_cast<void>(measured(mlp, {.threads = 1, .cancellation = &cancellation}));
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "interrupted");
  }
}

TEST(OutputGrid, RefusesAnOutputThatIsNotFinite) {
  const TestMlp mlp(MlpCase{});
  OutputJob job = mlp.job();
  job.probe.values[3] = std::numeric_limits<float>::infinity();
  PlainProducts products;
  try {
    static_cast<void>(measure_outputs(job, products, {.threads = 1}));
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "non-finite");
    EXPECT_EQ(error.place().tensor, "down");
  }
}

TEST(OutputGrid, RefusesAnEditedOutputThatIsNotFinite) {
  const TestMlp mlp(MlpCase{
      .dtype = DType::kF32, .delta_dtype = DType::kF32, .last_delta = 3e38F, .gammas = {3.1e38F}});
  OutputJob job = mlp.job();
  for (float& value : job.probe.values) value *= 1000;  // times 3e38 it is beyond f32
  PlainProducts products;
  try {
    static_cast<void>(measure_outputs(job, products, {.threads = 1}));
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "non-finite");
  }
}

}  // namespace
}  // namespace contourfuse
