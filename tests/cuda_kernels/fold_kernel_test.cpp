// The fold of block results, level by level, against numeric's pairwise fold.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "cuda_kernels/cpu_kernels.hpp"
#include "cuda_kernels/effort.hpp"
#include "cuda_kernels/kernel_run.hpp"

namespace contourfuse::test {
namespace {

using Random = std::mt19937_64;

/// Of sizes so mixed that the order of a sum shows in its bits.
double wide_number(Random& random) {
  std::normal_distribution<double> normal;
  return std::ldexp(normal(random), static_cast<int>(random() % 60) - 30);
}

void draw(Random& random, BlockMoments& value) {
  value.moments = {wide_number(random), wide_number(random)};
  value.finite = random() % 4 == 0 ? 0 : random();
  value.smallest = static_cast<float>(wide_number(random));
  value.largest = static_cast<float>(wide_number(random));
}

void draw(Random& random, Record& value) {
  value.counts = {random(), random(), random(), random(), random(), random(), random()};
  value.sums = {wide_number(random), wide_number(random), wide_number(random),
                wide_number(random), wide_number(random), wide_number(random)};
  if (random() % 2 == 0) value.bad = {random(), random()};
}

bool same(const BlockMoments& a, const BlockMoments& b) { return same_moments(a, b); }
bool same(const Record& a, const Record& b) { return same_record(a, b); }

template <class Value>
using Call = std::conditional_t<std::is_same_v<Value, Record>, device::FoldRecordsCall,
                                device::FoldMomentsCall>;

/// As the pipeline does it: each level's results behind its values.
template <class Value>
Value folded_by_kernels(const std::vector<Value>& given, const device::LaunchPolicy& policy,
                        const host_cuda::LaunchOptions& options) {
  std::vector<Value> values = given;
  while (values.size() > 1) {
    std::vector<Value> folded((values.size() + device::kFoldRun - 1) / device::kFoldRun);
    run_kernel(
        Call<Value>{.values = values.data(), .count = values.size(), .folded = folded.data()},
        policy, options);
    values = std::move(folded);
  }
  return values[0];
}

template <class Value>
void expect_folds(std::size_t count, const device::LaunchPolicy& policy = kOneWarp,
                  const host_cuda::LaunchOptions& options = kForward) {
  Random random(count);
  std::vector<Value> values(count);
  for (Value& value : values) draw(random, value);
  const Value got = folded_by_kernels(values, policy, options);
  ASSERT_TRUE(same(got, folded(std::span<const Value>(values)))) << count << " values, recursion";
  ASSERT_TRUE(same(got, fold_pairwise(values.data(), count))) << count << " values";
}

TEST(FoldKernel, EverySmallCount) {
  for (std::size_t count = 1; count <= 70; count += one_of(1, 3)) {
    expect_folds<BlockMoments>(count);
    expect_folds<Record>(count);
  }
}

TEST(FoldKernel, LargeCounts) {
  for (const std::size_t count : {255U, 256U, 257U, 511U, 513U, 777U, 2049U, 4095U, 4097U, 9999U}) {
    expect_folds<BlockMoments>(count);
    expect_folds<Record>(count);
  }
}

TEST(FoldKernel, OneValueIsGivenBack) {
  Random random(1);
  Record value;
  draw(random, value);
  Record got;
  run_kernel(device::FoldRecordsCall{.values = &value, .count = 1, .folded = &got});
  EXPECT_TRUE(same_record(got, value));
}

TEST(FoldKernel, EveryOrderAndBlockSize) {
  for (const host_cuda::LaunchOptions& options : host_cuda::every_order(kRaceChecked ? 1 : 4)) {
    SCOPED_TRACE(host_cuda::describe(options));
    for (const std::uint32_t threads : {32U, 64U, 256U}) {
      expect_folds<BlockMoments>(1001, {.fold = threads}, options);
      expect_folds<Record>(1001, {.fold = threads}, options);
    }
  }
}

}  // namespace
}  // namespace contourfuse::test
