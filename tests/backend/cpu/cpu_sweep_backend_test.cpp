// The CPU's grid: every field as plain code gives it, the same bits on every level and any number
// of threads, the same counts as a fuse.
#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/grid_fixture.hpp"
#include "backend/cpu/grid_kernels.hpp"
#include "backend/cpu/grid_measurement.hpp"
#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/core/cancellation.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/core/progress.hpp"
#include "contourfuse/core/trace.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::ElementSet;
using test::GridFixture;
using test::MatrixSpec;

using Axes = std::vector<std::vector<double>>;

// From values too far apart for tables to those that have them, and one under which a denormal
// delta may come to nothing.
const Axes kAlphas = {
    {1, -1, 0, 64, 0.25, 1e-3, -0.5, 3, -64, 0.01, 1e-9, 33.25, 1.5, 0.1, -3e-2, 7.4, -1e-12},
    {3, 0.01, 64, -0.02, 0.5, -33, 0.125, 9.7, 0.04},
    {1, 0x1p-20, 1e-3}};
const Axes kGammas = {
    {25, 0, 0.01, 0x1p-8, 0x1p-9, 0.0039, 1, 1e-10, 0.25, 3, 0.1, 1e-46, 0x1.01p-8, 0.5},
    {0.5, 2, 0.0625, 1e39}};  // the last one is no f32

std::vector<const GridKernels*> grid_levels() {
  std::size_t count = 0;
  const GridKernels* const* first = available_grid_kernels(count);
  return {first, first + count};
}

MatrixGrid measured(const GridJob& job, const GridKernels& kernels, int threads = 1) {
  return GridMeasurement(job, {.threads = threads}, kernels).run();
}

void expect_point(const GridPoint& point, const GridFixture::Expected& expected,
                  std::uint64_t covered, const std::string& where) {
  const GridPoint& right = expected.point;
  EXPECT_EQ(point.parameter, right.parameter) << where;
  EXPECT_EQ(point.moved, right.moved) << where;
  EXPECT_EQ(point.changed, right.changed) << where;
  EXPECT_EQ(point.lost, right.lost) << where;
  EXPECT_EQ(point.clamped, right.clamped) << where;
  EXPECT_EQ(point.sign_flips, right.sign_flips) << where;
  // Each of n additions may be off by half an ulp of the sum of magnitudes.
  const double off = static_cast<double>(covered) * 0x1p-52;
  EXPECT_NEAR(point.change2, right.change2, off * right.change2) << where;
  EXPECT_NEAR(point.change, right.change, off * expected.size) << where;
}

void expect_same(const GridPoint& a, const GridPoint& b, const std::string& where) {
  EXPECT_EQ(a.parameter, b.parameter) << where;
  EXPECT_EQ(a.moved, b.moved) << where;
  EXPECT_EQ(a.changed, b.changed) << where;
  EXPECT_EQ(a.lost, b.lost) << where;
  EXPECT_EQ(a.clamped, b.clamped) << where;
  EXPECT_EQ(a.sign_flips, b.sign_flips) << where;
  EXPECT_TRUE(test::same_bits(a.change2, b.change2)) << where;
  EXPECT_TRUE(test::same_bits(a.change, b.change)) << where;
}

void expect_same(const MatrixGrid& a, const MatrixGrid& b, const std::string& where) {
  EXPECT_EQ(a.covered, b.covered) << where;
  EXPECT_TRUE(test::same_bits(a.weight2, b.weight2)) << where;
  EXPECT_EQ(a.max_delta, b.max_delta) << where;
  ASSERT_EQ(a.points.size(), b.points.size()) << where;
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    expect_same(a.points[i], b.points[i], where + ", point " + std::to_string(i));
    if (testing::Test::HasFailure()) return;
  }
}

std::string described(const GridJob& job, const char* what) {
  return std::string(what) + ", " + std::string(dtype_name(job.matrix.dtype)) + " by " +
         std::string(dtype_name(job.matrix.delta_dtype)) +
         (job.matrix.role == ScfRole::kGate ? ", gate" : ", down") +
         (job.stochastic ? ", stochastic" : "");
}

/// The grid of every level against plain code.
void expect_grid(const GridFixture& fixture, const char* what) {
  const GridJob& job = fixture.job;
  const std::string where = described(job, what);
  const MatrixGrid grid = measured(job, best_grid_kernels());
  EXPECT_EQ(grid.covered, job.matrix.covered()) << where;
  ASSERT_EQ(grid.points.size(), job.values.size()) << where;
  for (std::size_t i = 0; i < job.values.size(); ++i) {
    expect_point(grid.points[i], fixture.expected(job.values[i]), grid.covered,
                 where + " at " + std::to_string(job.values[i]));
    if (testing::Test::HasFailure()) return;
  }
  for (const GridKernels* level : grid_levels()) {
    expect_same(measured(job, *level), grid, where + " on " + level->level);
  }
}

template <class Each>
void for_every_pairing(Each each) {
  for (const DType weight : test::kEditable) {
    for (const DType delta : test::kEditable) {
      for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
        each(MatrixSpec{.dtype = weight, .delta_dtype = delta, .role = role});
      }
    }
  }
}

GridFixture of_set(const ElementSet& set, MatrixSpec spec, std::uint64_t rows, std::uint64_t cols,
                   unsigned seed) {
  spec.rows = spec.covered_rows = rows;
  spec.cols = spec.covered_cols = cols;
  return {spec, test::made_elements(spec.dtype, rows * cols, seed, set.weight),
          test::made_elements(spec.delta_dtype, rows * cols, seed + 1, set.delta)};
}

TEST(CpuSweepBackend, EveryPointOfEveryPairingIsAsPlainCodeSays) {
  for (const ElementSet& set : test::element_sets()) {
    for_every_pairing([&](const MatrixSpec& spec) {
      GridFixture fixture = of_set(set, spec, 1, 1201, 7);
      for (const auto& values : spec.role == ScfRole::kDown ? kAlphas : kGammas) {
        fixture.job.values = values;
        for (const bool stochastic : {false, true}) {
          fixture.job.stochastic = stochastic;
          expect_grid(fixture, set.name);
        }
      }
    });
  }
}

TEST(CpuSweepBackend, AnyShapeAndCoverage) {
  const ElementSet set = test::normal_set();
  const std::uint64_t shapes[][4] = {{1, 1, 1, 1},         {3, 5, 2, 3},       {2, 4099, 2, 4099},
                                     {9, 2048, 8, 1025},   {1, 8191, 1, 8191}, {70, 517, 33, 511},
                                     {3, 25000, 3, 24576}, {513, 17, 512, 16}};
  for (const auto& [rows, cols, covered_rows, covered_cols] : shapes) {
    for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
      for (const DType weight : {DType::kBF16, DType::kF32}) {
        const MatrixSpec spec{rows, cols, covered_rows, covered_cols, weight, DType::kBF16, role};
        GridFixture fixture(
            spec, test::made_elements(weight, rows * cols, 3, set.weight),
            test::made_elements(DType::kBF16, covered_rows * covered_cols, 4, set.delta));
        fixture.job.values = {0.5, 20, 0.003};
        expect_grid(fixture, (std::to_string(rows) + " by " + std::to_string(cols)).c_str());
      }
    }
  }
}

/// Two ranges and a bit more of ordinary elements.
GridFixture of_many(ScfRole role, unsigned seed) {
  const ElementSet set = test::normal_set();
  return of_set(set, {.role = role}, 1031, 2100, seed);
}

TEST(CpuSweepBackend, SameBitsForAnyNumberOfThreads) {
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    GridFixture fixture = of_many(role, 5);
    ASSERT_GT(fixture.job.matrix.covered(), 2 * kRangeElements);
    fixture.job.values = {0.02, 1, 0.25};
    fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
    expect_grid(fixture, "many");
    const MatrixGrid grid = measured(fixture.job, best_grid_kernels(), 1);
    for (const int threads : {2, 3, 8}) {
      expect_same(measured(fixture.job, best_grid_kernels(), threads), grid,
                  described(fixture.job, "threads"));
    }
  }
}

TEST(CpuSweepBackend, SeveralCallsAtOnce) {
  GridFixture fixture = of_many(ScfRole::kGate, 6);
  fixture.job.values = {0.02, 0.25};
  const std::unique_ptr<SweepBackend> backend = make_cpu_sweep_backend();
  EXPECT_EQ(backend->name(), "cpu");
  std::vector<std::future<MatrixGrid>> grids;
  for (int i = 0; i < 3; ++i) {
    grids.push_back(std::async(std::launch::async,
                               [&] { return backend->measure(fixture.job, {.threads = 2}); }));
  }
  const MatrixGrid grid = backend->measure(fixture.job, {.threads = 1});
  for (auto& other : grids) expect_same(other.get(), grid, "at once");
}

TEST(CpuSweepBackend, AnyNumberOfPointsInAnyOrder) {
  std::mt19937 random(3);
  for (const MatrixSpec& spec : {MatrixSpec{.role = ScfRole::kDown}, {.role = ScfRole::kGate}}) {
    GridFixture fixture = of_set(test::normal_set(), spec, 1, 700, 9);
    for (int i = 0; i < 150; ++i) {
      const double value = std::exp2(std::uniform_real_distribution<double>(-12, 7)(random));
      fixture.job.values.push_back(spec.role == ScfRole::kDown && i % 9 == 0 ? -value : value);
    }
    fixture.job.values.push_back(0);
    expect_grid(fixture, "many points");
    const MatrixGrid grid = measured(fixture.job, best_grid_kernels());
    // A point is the same whatever others are asked for.
    const std::vector<double> values = fixture.job.values;
    for (const std::size_t i : {0U, 9U, 77U, 150U}) {
      fixture.job.values = {values[i]};
      const GridPoint alone = measured(fixture.job, best_grid_kernels()).points[0];
      EXPECT_EQ(alone.changed, grid.points[i].changed);
      EXPECT_EQ(alone.lost, grid.points[i].lost);
      EXPECT_EQ(alone.moved, grid.points[i].moved);
      EXPECT_NEAR(alone.change2, grid.points[i].change2, 1e-12 * alone.change2);
    }
    fixture.job.values = {};
    EXPECT_TRUE(measured(fixture.job, best_grid_kernels()).points.empty());
  }
}

TEST(CpuSweepBackend, ScalesAlphaByItsRule) {
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    GridFixture fixture = of_set(test::normal_set(), {}, 20, 1000, 11);
    fixture.job.alpha_rule = rule;
    fixture.job.values = {0.02, 1, 33, -2};
    expect_grid(fixture, "rule");
  }
}

TEST(CpuSweepBackend, SumsAreByTheMomentScheme) {
  GridFixture fixture = of_set(test::normal_set(), {.dtype = DType::kF32}, 3, 9000, 13);
  fixture.job.values = {0.75};
  test::BlockSum change;
  test::BlockSum change2;
  test::BlockSum weight2;
  double largest = 0;
  for (std::uint64_t i = 0; i < fixture.job.matrix.covered(); ++i) {
    const auto w = static_cast<double>(test::widen(DType::kF32, fixture.weight_at(i)));
    const auto d = static_cast<double>(test::widen(DType::kBF16, fixture.delta_at(i)));
    change.add(d * w);
    change2.add_product(d * w, d * w);
    weight2.add_product(w, w);
    largest = std::fmax(largest, std::fabs(d));
  }
  const MatrixGrid down = measured(fixture.job, best_grid_kernels());
  EXPECT_TRUE(test::same_bits(down.weight2, weight2.sum()));
  EXPECT_TRUE(test::same_bits(down.points[0].change, 0.75 * change.sum()));
  EXPECT_TRUE(test::same_bits(down.points[0].change2, 0.5625 * change2.sum()));
  EXPECT_EQ(down.max_delta, largest);
  fixture.job.matrix.role = ScfRole::kGate;
  const MatrixGrid gate = measured(fixture.job, best_grid_kernels());
  EXPECT_TRUE(test::same_bits(gate.weight2, weight2.sum()));
  EXPECT_EQ(gate.max_delta, largest);
}

/// What a fuse with one value records of the matrix.
MatrixResult fused(const GridJob& job, double value) {
  std::uint64_t end = job.matrix.offset;
  end += job.matrix.rows * job.matrix.cols * editable_bytes(job.matrix.dtype);
  FuseJob fuse;
  fuse.shards = {{job.source, nullptr, end}};
  fuse.matrices = {job.matrix};
  fuse.numbers = {.alpha = value,
                  .gamma = static_cast<float>(value),
                  .alpha_rule = job.alpha_rule,
                  .stochastic = job.stochastic};
  return make_cpu_backend()->run(fuse, {.threads = 1}).matrices[0];
}

TEST(CpuSweepBackend, CountsAsTheFuserDoes) {
  for (const ElementSet& set : test::element_sets()) {
    for_every_pairing([&](const MatrixSpec& spec) {
      GridFixture fixture = of_set(set, spec, 3, 337, 21);
      const bool down = spec.role == ScfRole::kDown;
      fixture.job.values =
          down ? std::vector<double>{0.02, 0, 1, -7} : std::vector<double>{0.02, 0, 25};
      const MatrixGrid grid = measured(fixture.job, best_grid_kernels());
      for (std::size_t i = 0; i < fixture.job.values.size(); ++i) {
        const RecordCounts counts = fused(fixture.job, fixture.job.values[i]).counts;
        const GridPoint& point = grid.points[i];
        const std::string where = described(fixture.job, set.name);
        EXPECT_EQ(point.moved, counts.moved) << where;
        EXPECT_EQ(point.changed, static_cast<double>(counts.changed)) << where;
        EXPECT_EQ(point.lost, static_cast<double>(counts.lost)) << where;
        EXPECT_EQ(point.clamped, counts.clamped) << where;
        EXPECT_EQ(point.sign_flips, counts.sign_flips) << where;
      }
    });
  }
}

TEST(CpuSweepBackend, SumsOfF32WeightsAreNearlyThoseOfTheFuser) {
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    GridFixture fixture =
        of_set(test::normal_set(), {.dtype = DType::kF32, .role = role}, 5, 2000, 23);
    fixture.job.values = {0.3};
    const MatrixGrid grid = measured(fixture.job, best_grid_kernels());
    const RecordSums sums = fused(fixture.job, 0.3).sums;
    EXPECT_TRUE(test::same_bits(grid.weight2, sums.weight2));
    // t and w′ are rounded to 24 bits there, a change of some per cent of w.
    EXPECT_NEAR(grid.points[0].change2, sums.change2, 1e-5 * sums.change2);
  }
}

TEST(CpuSweepBackend, StochasticCountsAreTheMeanOfFuses) {
  GridFixture fixture = of_set(test::normal_set(), {}, 40, 500, 29);
  fixture.job.stochastic = true;
  fixture.job.values = {0.01};
  const GridPoint point = measured(fixture.job, best_grid_kernels()).points[0];
  const RecordCounts counts = fused(fixture.job, 0.01).counts;
  // Six standard deviations of a sum of 20,000 independent elements of at most ¼ variance.
  EXPECT_NEAR(point.changed, static_cast<double>(counts.changed), 6 * std::sqrt(20000.0) / 2);
  EXPECT_NEAR(point.lost, static_cast<double>(counts.lost), 6 * std::sqrt(20000.0) / 2);
  EXPECT_EQ(point.moved, counts.moved);
  EXPECT_GT(point.changed, 100);
}

TEST(CpuSweepBackend, AZeroDeltaChangesNothing) {
  for_every_pairing([&](const MatrixSpec& spec) {
    const auto negative_zero = [](DType dtype, std::mt19937& random) {
      return random() % 2 == 0 ? 0U : (dtype == DType::kF32 ? 0x80000000U : 0x8000U);
    };
    GridFixture fixture = of_set({"zero", negative_zero, negative_zero}, spec, 2, 300, 31);
    fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
    fixture.job.values = {0, 3};
    const MatrixGrid grid = measured(fixture.job, best_grid_kernels());
    EXPECT_EQ(grid.covered, 600U);
    EXPECT_EQ(grid.max_delta, 0);
    ASSERT_EQ(grid.points.size(), 2U);
    for (const GridPoint& point : grid.points) expect_same(point, GridPoint{}, "zero delta");
  });
}

/// The error that both a fuse at `value` and the grid end with.
void expect_error(const GridFixture& fixture, double value, const std::string& kind,
                  const std::string& where) {
  const Error expected = test::error_of([&] { static_cast<void>(fused(fixture.job, value)); });
  EXPECT_EQ(expected.kind(), kind) << where;
  for (const GridKernels* level : grid_levels()) {
    const Error got = test::error_of([&] { static_cast<void>(measured(fixture.job, *level, 2)); });
    EXPECT_EQ(got.kind(), kind) << where << " on " << level->level;
    EXPECT_STREQ(got.what(), expected.what()) << where << " on " << level->level;
  }
}

TEST(CpuSweepBackend, RefusesWhatAFuseRefuses) {
  const ElementSet set = test::normal_set();
  for_every_pairing([&](const MatrixSpec& spec) {
    const auto w_bytes = editable_bytes(spec.dtype);
    const auto d_bytes = editable_bytes(spec.delta_dtype);
    MatrixSpec shape = spec;
    shape.rows = 5;
    shape.cols = 2001;
    shape.covered_rows = 4;
    shape.covered_cols = 2000;
    const auto weight = test::made_elements(spec.dtype, 5 * 2001, 1, set.weight);
    const auto delta = test::made_elements(spec.delta_dtype, 8000, 2, set.delta);
    for (const AlphaRule rule : {AlphaRule::kSigmaRatio, AlphaRule::kPlain}) {
      const auto expect_refusal = [&](const std::vector<std::byte>& w,
                                      const std::vector<std::byte>& d, const std::string& kind,
                                      const std::string& what) {
        GridFixture fixture(shape, w, d);
        fixture.job.alpha_rule = rule;
        fixture.job.values = {0.5, 3, 0};
        expect_error(fixture, 3, kind, described(fixture.job, what.c_str()));
      };
      const std::uint32_t infinity = test::narrow(spec.dtype, HUGE_VALF, {});
      auto bad_weight = weight;
      test::store(spec.dtype, bad_weight.data() + 4003 * w_bytes, infinity + 1);
      expect_refusal(bad_weight, delta, "non-finite", "NaN in the weight");
      // The last column is not covered.
      bad_weight = weight;
      test::store(spec.dtype, bad_weight.data() + 2000 * w_bytes, infinity);
      expect_refusal(bad_weight, delta, "none", "infinity beyond the cover");
      auto bad_delta = delta;
      test::store(spec.delta_dtype, bad_delta.data() + 7999 * d_bytes,
                  test::narrow(spec.delta_dtype, -HUGE_VALF, {}));
      expect_refusal(weight, bad_delta, "non-finite", "infinity in the delta");
      bad_delta = delta;
      test::store(spec.delta_dtype, bad_delta.data() + 77 * d_bytes,
                  test::narrow(spec.delta_dtype, 4, {}));
      bad_weight = weight;
      test::store(spec.dtype, bad_weight.data() + 77 * w_bytes, infinity - 1);
      if (rule == AlphaRule::kPlain) {
        expect_refusal(bad_weight, bad_delta, "non-finite", "infinite result");
      }
      const auto one_delta = test::made_elements(
          spec.delta_dtype, 8000, 2,
          [](DType dtype, std::mt19937&) { return test::narrow(dtype, 0.25F, {}); });
      const bool needs_spread = spec.role == ScfRole::kDown && rule == AlphaRule::kSigmaRatio;
      expect_refusal(weight, one_delta, needs_spread ? "no-spread" : "none", "one delta");
    }
  });
}

TEST(CpuSweepBackend, ChecksTheLargestPointOfEitherSign) {
  GridFixture fixture = of_set(test::normal_set(), {.dtype = DType::kF16}, 1, 100, 3);
  fixture.job.values = {1, -1e9, 3};
  expect_error(fixture, -1e9, "non-finite", "a large negative value");
  fixture.job.values = {-1, 0, 1e9};
  expect_error(fixture, 1e9, "non-finite", "a large value");
  // Beyond f32 with the norm.
  fixture.job.values = {1, 1e200};
  fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
  expect_error(fixture, 1e200, "no-spread", "beyond f32");
}

class CountingProgress final : public Progress {
 public:
  void advance(std::uint64_t bytes) override { bytes_ += bytes; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::atomic<std::uint64_t> bytes_{0};
};

TEST(CpuSweepBackend, AdvancesByTheCoveredWeight) {
  for (const MatrixSpec& spec :
       {MatrixSpec{.role = ScfRole::kDown}, {.dtype = DType::kF32, .role = ScfRole::kGate}}) {
    GridFixture fixture = of_set(test::normal_set(), spec, 3, 4000, 3);
    fixture.job.values = {1};
    CountingProgress progress;
    static_cast<void>(
        make_cpu_sweep_backend()->measure(fixture.job, {.threads = 1, .progress = &progress}));
    EXPECT_EQ(progress.bytes(), 12000 * editable_bytes(spec.dtype));
  }
}

TEST(CpuSweepBackend, StopsWhenCancelled) {
  GridFixture fixture = of_set(test::normal_set(), {}, 3, 4000, 3);
  fixture.job.values = {1};
  Cancellation cancellation;
  cancellation.request();
  EXPECT_THROW(static_cast<void>(make_cpu_sweep_backend()->measure(
                   fixture.job, {.threads = 2, .cancellation = &cancellation})),
               Error);
}

TEST(CpuSweepBackend, TakesADeltaThatIsMade) {
  GridFixture fixture = of_set(test::normal_set(), {}, 3, 4000, 3);
  fixture.job.values = {1};
  const MatrixGrid stored = measured(fixture.job, best_grid_kernels());
  fixture.delta().is_stored = false;
  Trace trace;
  const MatrixGrid made =
      make_cpu_sweep_backend()->measure(fixture.job, {.threads = 1, .trace = &trace});
  expect_same(made, stored, "made");
  EXPECT_NE(trace.json().find("\"generate\""), std::string::npos);
}

}  // namespace
}  // namespace contourfuse
