// Groups of points, and what their tallies come to.
#include "contourfuse/sweep/grid_tally.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace contourfuse {
namespace {

TEST(GroupPoints, AscendInMagnitudeAndAreOfOneSign) {
  const std::vector<float> values = {3, -1, 0, 0.5F, -4, 2, -0.0F};
  const auto groups = group_points(ScfRole::kDown, values);
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].count, 1U);
  EXPECT_EQ(groups[0].parameter[0], 0);
  EXPECT_FALSE(groups[0].negative);
  EXPECT_EQ(groups[1].count, 3U);
  const std::size_t places[] = {3, 5, 0};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(groups[1].place[i], places[i]);
    EXPECT_EQ(groups[1].parameter[i], values[places[i]]);
  }
  EXPECT_EQ(groups[1].largest(), 3);
  EXPECT_EQ(groups[1].parameter[63], 3);
  EXPECT_TRUE(groups[2].negative);
  EXPECT_EQ(groups[2].place[0], 6U);
  EXPECT_EQ(groups[3].count, 2U);
  EXPECT_EQ(groups[3].parameter[0], -1);
  EXPECT_EQ(groups[3].parameter[1], -4);
  EXPECT_TRUE(groups[3].negative);
}

TEST(GroupPoints, AGateKeepsItsZeroWithTheOthers) {
  const auto groups = group_points(ScfRole::kGate, std::vector<float>{1, 0});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].place[0], 1U);
}

TEST(GroupPoints, HoldAtMost64) {
  std::vector<float> values(130);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  const auto groups = group_points(ScfRole::kDown, values);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].count, 64U);
  EXPECT_EQ(groups[2].count, 2U);
  EXPECT_EQ(groups[2].largest(), 130);
  EXPECT_TRUE(group_points(ScfRole::kDown, {}).empty());
}

TEST(WritePoints, AddsUpWhatHappensAtEarlierPoints) {
  const PointGroup group = group_points(ScfRole::kGate, std::vector<float>{2, 1}).front();
  GroupTally tally;
  tally.moved = {7, 0, 1};
  tally.changed = {1, 4, 3};
  tally.flipped = {0, 2, 6};
  tally.within = {5, 3, 2};
  tally.sums[0] = {.change2 = 16, .change = 4, .weight2 = 100, .weight = 50};
  tally.sums[1] = {.change2 = 32, .change = -8, .weight2 = 9, .weight = -3};
  tally.sums[2] = {.change2 = 64, .change = 1000, .weight2 = 1, .weight = 1};
  tally.negative_zeros = 10;
  tally.add(tally, group.count);  // everything twice
  tally.accumulate();
  std::vector<GridPoint> points(2);
  write_points(ScfRole::kGate, false, group, tally, points);
  const GridPoint& one = points[1];  // γ = 1
  EXPECT_EQ(one.moved, 14U);
  EXPECT_EQ(one.changed, 2 + 20);
  EXPECT_EQ(one.lost, 14 - 2);
  EXPECT_EQ(one.sign_flips, 0U);
  EXPECT_EQ(one.clamped, 10U);
  EXPECT_EQ(one.change2, 32 + 2 * (9 + 1));
  EXPECT_EQ(one.change, 8 + 2 * (-3 + 1));
  const GridPoint& two = points[0];
  EXPECT_EQ(two.changed, 10 + 20);
  EXPECT_EQ(two.lost, 14 - 10);
  EXPECT_EQ(two.sign_flips, 4U);
  EXPECT_EQ(two.clamped, 4U);
  EXPECT_EQ(two.change2, 2 * (16 + 32) + 2 * 2 * 2 * 1);
  EXPECT_EQ(two.change, 2 * (4 - 8) + 2 * 2 * 1);
}

TEST(WritePoints, TakesExpectationsUnderStochasticRounding) {
  const PointGroup group = group_points(ScfRole::kDown, std::vector<float>{2, 1}).front();
  GroupTally tally;
  tally.moved = {5, 1, 0};
  tally.negative_zeros = 3;
  tally.expected = {0.25, 4.5};
  tally.add(GroupTally{}, group.count);
  tally.accumulate();
  std::vector<GridPoint> points(2);
  write_points(ScfRole::kDown, true, group, tally, points);
  EXPECT_EQ(points[1].changed, 3.25);
  EXPECT_EQ(points[1].lost, 4.75);
  EXPECT_EQ(points[0].changed, 7.5);
  EXPECT_EQ(points[0].lost, 1.5);
  EXPECT_EQ(points[0].clamped, 0U);
  EXPECT_EQ(points[0].change2, 0);
}

}  // namespace
}  // namespace contourfuse
