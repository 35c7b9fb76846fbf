// The moment scheme against the same trees written as recursions.
#include "contourfuse/numeric/moments.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace contourfuse {
namespace {

/// Values whose sum depends on the order of its additions.
std::vector<double> uneven_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> values(count);
  for (double& value : values) {
    const double fraction = static_cast<double>(random()) * 0x1p-32 - 0.5;
    value = std::ldexp(fraction, static_cast<int>(random() % 60U));
  }
  return values;
}

/// Sum of every lane ≡ first (mod stride): its two halves, each every other one of them.
double lanes_by_recursion(std::span<const double> lanes, std::size_t first, std::size_t stride) {
  if (stride == lanes.size()) return lanes[first];
  return lanes_by_recursion(lanes, first, 2 * stride) +
         lanes_by_recursion(lanes, first + stride, 2 * stride);
}

/// The largest power of two below the count is one subtree, the rest the other.
double pairs_by_recursion(std::span<const double> values) {
  if (values.size() == 1) return values[0];
  const std::size_t left = std::bit_floor(values.size() - 1);
  return pairs_by_recursion(values.first(left)) + pairs_by_recursion(values.subspan(left));
}

TEST(FoldLanes, FoldsByHalves) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::vector<double> lanes = uneven_values(kLanes, seed);
    const double expected = lanes_by_recursion(lanes, 0, 1);
    EXPECT_EQ(fold_lanes(lanes.data()), expected);
  }
}

TEST(FoldPairwise, FoldsNeighboursAndCarriesAnOddOne) {
  for (std::size_t count = 1; count <= 300; ++count) {
    const std::vector<double> values = uneven_values(count, static_cast<unsigned>(count));
    std::vector<double> work = values;
    ASSERT_EQ(fold_pairwise(work.data(), count), pairs_by_recursion(values)) << count;
  }
}

TEST(FoldPairwise, OfThreeAndFiveIsAsWritten) {
  double three[] = {1, 0x1p-53, 0x1p-53};  // from the right it would be 1 + 2^-52
  EXPECT_EQ(fold_pairwise(three, 3), 1.0);
  double five[] = {1, 0x1p-53, 0x1p-53, 0x1p-53, 0x1p-54};
  EXPECT_EQ(fold_pairwise(five, 5), (1.0 + 0x1p-53) + 0x1p-52 + 0x1p-54);
}

TEST(FoldPairwise, OfNoneIsZeroAndOfOneItself) {
  EXPECT_EQ(fold_pairwise<double>(nullptr, 0), 0.0);
  double one[] = {-3.5};
  EXPECT_EQ(fold_pairwise(one, 1), -3.5);
}

TEST(FoldPairwise, AlignedRunsMayBeFoldedFirst) {
  constexpr std::size_t kRun = 32;
  for (const std::size_t count : {1U, 31U, 32U, 33U, 64U, 65U, 95U, 96U, 100U, 1000U, 1025U}) {
    const std::vector<double> values = uneven_values(count, 5);
    std::vector<double> whole = values;
    std::vector<double> runs;
    for (std::size_t first = 0; first < count; first += kRun) {
      std::vector<double> run(
          values.begin() + static_cast<std::ptrdiff_t>(first),
          values.begin() + static_cast<std::ptrdiff_t>(std::min(first + kRun, count)));
      runs.push_back(fold_pairwise(run.data(), run.size()));
    }
    EXPECT_EQ(fold_pairwise(runs.data(), runs.size()), fold_pairwise(whole.data(), count)) << count;
  }
}

TEST(FoldPairwise, FoldsMomentsMemberByMember) {
  Moments values[] = {{1, 10}, {2, 20}, {3, 30}};
  const Moments sum = fold_pairwise(values, 3);
  EXPECT_EQ(sum.sum, 6);
  EXPECT_EQ(sum.sum_squares, 60);
}

TEST(StandardDeviation, IsThePopulations) {
  Moments moments;
  for (const double x : {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0}) {
    moments = moments + Moments{x, x * x};
  }
  EXPECT_EQ(standard_deviation(moments, 8), 2.0);
  EXPECT_EQ(standard_deviation({-3, 9}, 1), 0.0);
}

TEST(StandardDeviation, NeverFallsBelowZero) {
  EXPECT_EQ(standard_deviation({10, 9.999}, 10), 0.0);  // rounding can bring Σx²/n below mean²
}

}  // namespace
}  // namespace contourfuse
