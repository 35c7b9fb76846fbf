// Grids on emulated devices: every field as plain code gives it, every bit the CPU's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <list>
#include <string>
#include <vector>

#include "contourfuse/core/cancellation.hpp"
#include "contourfuse/core/error.hpp"
#include "cuda_sweep/emulated_sweep.hpp"
#include "grid/grid_buffers.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using Devices = std::vector<test::EmulatedDeviceOptions>;
using test::ElementSet;
using test::EmulatedSweep;
using test::GridFixture;
using test::MatrixSpec;
using test::Timing;

const std::vector<double> kAlphas = {1,       -1,  0,     64,   0.25,  1e-3, -0.5,
                                     0x1p-20, 3,   -64,   0.01, 1e-9,  -0.0, 33.25,
                                     1.5,     0.1, -3e-2, 7.4,  -1e-12};
const std::vector<double> kGammas = {25,    0,    0.01, 0x1p-8, 0x1p-9, 0.0039, 1,
                                     1e-10, 0.25, 3,    0.1,    1e-46,  0.5,    0x1.01p-8};

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

GridFixture of_set(const ElementSet& set, MatrixSpec spec, std::uint64_t rows, std::uint64_t cols) {
  spec.rows = spec.covered_rows = rows;
  spec.cols = spec.covered_cols = cols;
  return {spec, test::made_elements(spec.dtype, rows * cols, 7, set.weight),
          test::made_elements(spec.delta_dtype, rows * cols, 8, set.delta)};
}

/// Normal weights of the spec.
GridFixture of_spec(const MatrixSpec& spec) {
  return {spec, test::normal_elements(spec.dtype, spec.rows * spec.cols, 1, 0.05F),
          test::normal_elements(spec.delta_dtype, spec.covered_rows * spec.covered_cols, 2, 0.8F)};
}

const std::vector<double>& axis_of(ScfRole role) {
  return role == ScfRole::kDown ? kAlphas : kGammas;
}

MatrixGrid on_cpu(const GridJob& job) {
  return make_cpu_sweep_backend()->measure(job, {.threads = 1});
}

void expect_as_plain_code(const MatrixGrid& grid, const GridFixture& fixture,
                          const std::string& where) {
  ASSERT_EQ(grid.points.size(), fixture.job.values.size()) << where;
  for (std::size_t i = 0; i < grid.points.size(); ++i) {
    const double value = fixture.job.values[i];
    const std::string at = where + " at " + std::to_string(value);
    const GridFixture::Expected expected = fixture.expected(value);
    const GridPoint& point = grid.points[i];
    EXPECT_EQ(point.moved, expected.point.moved) << at;
    EXPECT_EQ(point.changed, expected.point.changed) << at;
    EXPECT_EQ(point.lost, expected.point.lost) << at;
    EXPECT_EQ(point.clamped, expected.point.clamped) << at;
    EXPECT_EQ(point.sign_flips, expected.point.sign_flips) << at;
    const double off = static_cast<double>(grid.covered) * 0x1p-52;
    EXPECT_NEAR(point.change2, expected.point.change2, off * expected.point.change2) << at;
    EXPECT_NEAR(point.change, expected.point.change, off * expected.size) << at;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(DeviceGrid, EveryPointOfEveryPairingIsAsPlainCodeSays) {
  EmulatedSweep sweep;
  for (const ElementSet& set : test::element_sets()) {
    for_every_pairing([&](const MatrixSpec& spec) {
      GridFixture fixture = of_set(set, spec, 1, 301);
      fixture.job.values = axis_of(spec.role);
      for (const bool stochastic : {false, true}) {
        if (testing::Test::HasFailure()) return;
        fixture.job.stochastic = stochastic;
        const std::string where = test::described(fixture.job, set.name);
        const MatrixGrid grid = sweep.backend->measure(fixture.job, {.threads = 1});
        expect_as_plain_code(grid, fixture, where);
        test::expect_same_grid(grid, on_cpu(fixture.job), where);
      }
    });
  }
}

TEST(DeviceGrid, HasTheBitsOfTheCpuAtEverySizeAndCoverage) {
  EmulatedSweep sweep;
  const std::vector<MatrixSpec> shapes = {
      {1, 1, 1, 1},       {1, 255, 1, 255},   {1, 256, 1, 256},
      {1, 257, 1, 257},   {1, 8191, 1, 8191}, {2, 4096, 2, 4096},
      {1, 8193, 1, 8193}, {50, 700, 49, 689}, {90, 300, 90, 299}};
  for (MatrixSpec spec : shapes) {
    for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
      spec.role = role;
      GridFixture fixture = of_spec(spec);
      fixture.job.values = axis_of(role);
      // One element has no spread.
      if (fixture.job.matrix.covered() > 1) fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
      const std::string where =
          test::described(fixture.job, std::to_string(fixture.job.matrix.covered()));
      const MatrixGrid grid = sweep.backend->measure(fixture.job, {.threads = 1});
      expect_as_plain_code(grid, fixture, where);
      test::expect_same_grid(grid, on_cpu(fixture.job), where);
    }
  }
}

TEST(DeviceGrid, FusesTheSquaresOfASum) {
  // All that is not 0 is in one lane and one chain of its block, where each rounding shows.
  EmulatedSweep sweep;
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    for (unsigned seed = 1; seed <= 4; ++seed) {
      const MatrixSpec spec{1, 8192, 1, 8192, DType::kF32, DType::kF32, role};
      std::uint64_t count = 0;
      const auto weight = test::made_elements(spec.dtype, 8192, seed, [&](auto, auto& random) {
        const float value = std::normal_distribution<float>(0, 1)(random);
        return count++ % kLanes == 0 ? bits_of_float(value) : 0U;
      });
      GridFixture fixture(spec, weight, test::normal_elements(spec.delta_dtype, 8192, seed, 1));
      fixture.job.values = {1, 10};
      test::expect_same_grid(sweep.backend->measure(fixture.job, {}), on_cpu(fixture.job),
                             test::described(fixture.job, std::to_string(seed)));
    }
  }
}

TEST(DeviceGrid, HasTheBitsOfTheCpuUnderEveryRule) {
  EmulatedSweep sweep;
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    GridFixture fixture = of_spec({3, 500, 3, 500});
    fixture.job.values = kAlphas;
    fixture.job.alpha_rule = rule;
    test::expect_same_grid(sweep.backend->measure(fixture.job, {}), on_cpu(fixture.job), "a rule");
  }
}

TEST(DeviceGrid, TakesMorePointsThanAGroupHas) {
  EmulatedSweep sweep;
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    GridFixture fixture =
        of_spec({.rows = 5, .cols = 900, .covered_rows = 5, .covered_cols = 900, .role = role});
    fixture.job.values.clear();
    for (int i = 0; i < 150; ++i) fixture.job.values.push_back(std::exp2(i * 0.1 - 10));
    const MatrixGrid grid = sweep.backend->measure(fixture.job, {});
    expect_as_plain_code(grid, fixture, "150 points");
    test::expect_same_grid(grid, on_cpu(fixture.job), "150 points");
  }
}

TEST(DeviceGrid, HasTheBitsOfTheCpuWhereTheMatrixDoesNotFitTheDevice) {
  // More than a range of 2^20 elements.
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    constexpr std::uint64_t kRange = device::kGridRangeElements;
    constexpr std::uint64_t kElements = kRange + 300'000;
    GridFixture fixture = of_spec({1, kElements, 1, kElements, DType::kBF16, DType::kBF16, role});
    fixture.job.values = {0.02, 1, 3};
    const MatrixGrid expected = on_cpu(fixture.job);
    for (const bool stays : {true, false}) {
      DeviceSweepOptions options{.lanes = 1, .slice_elements = kRange};
      if (!stays) {
        options.device_bytes = device::GridBuffers::bytes(kRange, role, false) + 4 * kRange + 1000;
      }
      EmulatedSweep sweep(Devices(1), options);
      test::expect_same_grid(sweep.backend->measure(fixture.job, {}), expected,
                             stays ? "stays" : "does not stay");
      // Weight and delta of two slices once, or once for each of two passes; and the points.
      EXPECT_EQ(sweep.ledger.copies_in, (stays ? 4 : 8) + 2);
    }
  }
}

TEST(DeviceGrid, HasTheBitsOfTheCpuInWhateverOrderStreamsWork) {
  GridFixture fixture = of_spec(
      {.rows = 40, .cols = 500, .covered_rows = 40, .covered_cols = 500, .role = ScfRole::kGate});
  fixture.job.values = kGammas;
  fixture.job.stochastic = true;
  const MatrixGrid expected = on_cpu(fixture.job);
  for (const Timing timing : test::kTimings) {
    for (const std::uint32_t seed : {1U, 2U, 3U}) {
      EmulatedSweep sweep(Devices{{.timing = timing, .seed = seed}});
      test::expect_same_grid(sweep.backend->measure(fixture.job, {}), expected,
                             "timing " + std::to_string(static_cast<int>(timing)));
    }
  }
}

TEST(DeviceGrid, LeavesAMatrixOfZeroDeltasAlone) {
  EmulatedSweep sweep;
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    const MatrixSpec spec{1, 400, 1, 400, DType::kBF16, DType::kF16, role};
    GridFixture fixture(spec, test::mixed_elements(spec.dtype, 400, 3, false),
                        std::vector<std::byte>(800, std::byte{0}));
    fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
    fixture.job.values = {1, 0, 2};
    const MatrixGrid grid = sweep.backend->measure(fixture.job, {});
    EXPECT_GT(grid.weight2, 0);
    for (const GridPoint& point : grid.points) {
      EXPECT_EQ(point.changed, 0);
      EXPECT_EQ(point.moved, 0U);
    }
    test::expect_same_grid(grid, on_cpu(fixture.job), "zero delta");
  }
}

Error failure_of(SweepBackend& backend, const GridJob& job) {
  return test::error_of([&] { static_cast<void>(backend.measure(job, {.threads = 1})); });
}

TEST(DeviceGrid, RefusesWhatTheCpuRefuses) {
  EmulatedSweep sweep;
  const auto cpu = make_cpu_sweep_backend();
  const auto expect_refused = [&](const GridFixture& fixture, const char* kind) {
    const Error refused = failure_of(*sweep.backend, fixture.job);
    EXPECT_EQ(refused.kind(), kind);
    EXPECT_STREQ(refused.what(), failure_of(*cpu, fixture.job).what());
  };
  const std::size_t count = 9000;
  const MatrixSpec spec{100, 110, 90, 100, DType::kF16, DType::kBF16};
  const auto weight = test::normal_elements(spec.dtype, 11'000, 1, 0.05F);
  const auto delta = test::normal_elements(spec.delta_dtype, count, 2, 0.8F);
  constexpr std::uint32_t kHalfInfinity = 0x7C00;
  constexpr std::uint32_t kBf16NaN = 0x7FC0;

  auto bad_weight = weight;
  test::store(spec.dtype, bad_weight.data() + 2 * 4321, kHalfInfinity);
  GridFixture infinite_weight(spec, bad_weight, delta);
  infinite_weight.job.values = {1};
  expect_refused(infinite_weight, "non-finite");

  auto bad_delta = delta;
  test::store(spec.delta_dtype, bad_delta.data() + 2 * 8999, kBf16NaN);
  GridFixture nan_delta(spec, weight, bad_delta);
  nan_delta.job.values = {0.5, 2};
  nan_delta.job.alpha_rule = AlphaRule::kSigmaRatio;
  expect_refused(nan_delta, "non-finite");

  GridFixture large(spec, weight, delta);
  large.job.values = {1, 1e6, -1e7};
  expect_refused(large, "non-finite");

  GridFixture equal(spec, weight,
                    test::made_elements(spec.delta_dtype, count, 1, [](auto dtype, auto&) {
                      return test::narrow(dtype, 0.5F, {});
                    }));
  equal.job.values = {1};
  equal.job.alpha_rule = AlphaRule::kInverseSigma;
  expect_refused(equal, "no-spread");
}

TEST(DeviceGrid, ReportsProgressAndIsCancelled) {
  class Counter final : public Progress {
   public:
    void advance(std::uint64_t bytes) override { sum += bytes; }
    std::uint64_t sum = 0;
  };
  EmulatedSweep sweep;
  GridFixture fixture = of_spec({30, 101, 29, 100});
  fixture.job.values = kAlphas;
  Counter counter;
  static_cast<void>(sweep.backend->measure(fixture.job, {.progress = &counter}));
  EXPECT_EQ(counter.sum, 2 * 2900U);
  Cancellation cancellation;
  cancellation.request();
  EXPECT_THROW(
      static_cast<void>(sweep.backend->measure(fixture.job, {.cancellation = &cancellation})),
      Error);
}

TEST(DeviceGrid, ServesManyThreadsOnLanesOfSeveralDevices) {
  EmulatedSweep sweep(Devices{{.name = "emulated:0", .timing = Timing::kRandom, .seed = 5},
                              {.name = "emulated:1", .timing = Timing::kOthersFirst}},
                      {.pinned_bytes = 50'000, .lanes = 2});
  std::list<GridFixture> fixtures;
  std::vector<std::future<MatrixGrid>> grids;
  for (std::uint64_t i = 0; i < 6; ++i) {
    const ScfRole role = i % 2 == 0 ? ScfRole::kGate : ScfRole::kDown;
    const MatrixSpec spec{
        .rows = 3 + i, .cols = 700, .covered_rows = 3 + i, .covered_cols = 700, .role = role};
    fixtures
        .emplace_back(spec, test::normal_elements(spec.dtype, spec.rows * spec.cols, 1, 0.05F),
                      test::normal_elements(spec.dtype, spec.rows * spec.cols, 2, 0.8F))
        .job.values = axis_of(role);
  }
  for (const GridFixture& fixture : fixtures) {
    grids.push_back(
        std::async(std::launch::async, [&] { return sweep.backend->measure(fixture.job, {}); }));
  }
  std::size_t number = 0;
  for (const GridFixture& fixture : fixtures) {
    test::expect_same_grid(grids[number].get(), on_cpu(fixture.job), std::to_string(number));
    ++number;
  }
}

TEST(DeviceGrid, FailsCleanlyWhateverCallFails) {
  GridFixture fixture = of_spec(
      {.rows = 20, .cols = 500, .covered_rows = 20, .covered_cols = 500, .role = ScfRole::kGate});
  fixture.job.values = {0.1, 1};
  fixture.job.stochastic = true;
  std::uint64_t calls = 0;
  {
    EmulatedSweep sweep;
    static_cast<void>(sweep.backend->measure(fixture.job, {}));
    calls = sweep.ledger.calls;
  }
  ASSERT_GT(calls, 50U);
  for (std::uint64_t call = 12; call <= calls; call += 7) {
    EmulatedSweep sweep;
    const std::uint64_t made = sweep.ledger.calls;
    if (call <= made) continue;
    sweep.ledger.failing_call = call;
    EXPECT_THAT(failure_of(*sweep.backend, fixture.job).kind(), testing::StartsWith("device-"))
        << call;
    if (call % 2 == 0) {
      const std::uint64_t done = sweep.ledger.work;
      sweep.backend.reset();
      EXPECT_EQ(sweep.ledger.work, done) << "work was under way in memory that was given back";
      continue;
    }
    // The device is as good as before.
    test::expect_same_grid(sweep.backend->measure(fixture.job, {}), on_cpu(fixture.job), "again");
  }
}

TEST(DeviceGrid, SaysThatADeviceIsTooSmall) {
  EmulatedSweep sweep(Devices{{.memory = 100'000}});
  GridFixture fixture = of_spec({100, 500, 100, 500});
  fixture.job.values = {1};
  EXPECT_THAT(failure_of(*sweep.backend, fixture.job).kind(), testing::StartsWith("device-memory"));
}

}  // namespace
}  // namespace contourfuse
