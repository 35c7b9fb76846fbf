// What a grid's parameters are, which elements are looked at, and what its points come to.
#include "contourfuse/sweep/grid_rules.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

GridJob job_of(ScfRole role, AlphaRule rule, std::vector<double> values) {
  GridJob job;
  job.matrix.role = role;
  job.matrix.covered_rows = 1;
  job.matrix.covered_cols = 4;
  job.alpha_rule = rule;
  job.values = std::move(values);
  return job;
}

/// Four weights −2, −2, 2, 2 and four deltas −½, −½, ½, ½.
GridMoments moments_of_four() {
  GridMoments moments;
  moments.weight = {{0, 16}, 4, -2, 2};
  moments.delta = {{0, 1}, 4, -0.5F, 0.5F};
  moments.product = {4, 4};
  return moments;
}

TEST(GridParameters, ScaleAlphaByTheRule) {
  const GridMoments moments = moments_of_four();
  const std::vector<double> values = {0.5, -3};
  EXPECT_EQ(grid_parameters(job_of(ScfRole::kDown, AlphaRule::kSigmaRatio, values), moments),
            (std::vector<float>{2, -12}));
  EXPECT_EQ(grid_parameters(job_of(ScfRole::kDown, AlphaRule::kInverseSigma, values), moments),
            (std::vector<float>{1, -6}));
  EXPECT_EQ(grid_parameters(job_of(ScfRole::kDown, AlphaRule::kPlain, values), moments),
            (std::vector<float>{0.5F, -3}));
  const auto gamma =
      grid_parameters(job_of(ScfRole::kGate, AlphaRule::kSigmaRatio, {0.1, -0.0}), moments);
  EXPECT_EQ(gamma[0], 0.1F);
  EXPECT_FALSE(std::signbit(gamma[1]));
}

TEST(GridParameters, RefuseADeltaWithoutSpread) {
  GridMoments moments = moments_of_four();
  moments.delta = {{2, 1}, 4, 0.5F, 0.5F};
  try {
    static_cast<void>(
        grid_parameters(job_of(ScfRole::kDown, AlphaRule::kSigmaRatio, {1}), moments));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "no-spread");
  }
}

TEST(ParametersToCheck, AreNoneWhereTheMomentsVouch) {
  const GridJob job = job_of(ScfRole::kDown, AlphaRule::kPlain, {});
  const std::vector<float> few = {1, -1000};
  EXPECT_TRUE(parameters_to_check(job, moments_of_four(), few).empty());
  const std::vector<float> large = {1, 3e38F, -2e38F};
  EXPECT_EQ(parameters_to_check(job, moments_of_four(), large),
            (std::vector<float>{3e38F, -2e38F, 0}));
  GridMoments bad = moments_of_four();
  bad.weight.finite = 3;
  EXPECT_EQ(parameters_to_check(job, bad, few), (std::vector<float>{-1000, 1, 0}));
}

TEST(ParametersToCheck, OfAGateAreWithinTheDelta) {
  GridJob job = job_of(ScfRole::kGate, AlphaRule::kPlain, {});
  const std::vector<float> large = {3e38F};
  EXPECT_TRUE(parameters_to_check(job, moments_of_four(), large).empty());
  job.matrix.dtype = DType::kF16;
  GridMoments moments = moments_of_four();
  moments.weight.largest = 60000;
  EXPECT_EQ(parameters_to_check(job, moments, large), (std::vector<float>{3e38F, 0}));
}

TEST(IsRefused, WhatIsNotFiniteInTheStoredType) {
  MatrixJob matrix;
  matrix.dtype = DType::kF16;
  EXPECT_FALSE(is_refused(matrix, 60000, 1, 0.09F));
  EXPECT_TRUE(is_refused(matrix, 60000, 1, 0.1F));
  EXPECT_TRUE(is_refused(matrix, 1, NAN, 0));
  EXPECT_TRUE(is_refused(matrix, HUGE_VALF, 1, 0));
  matrix.dtype = DType::kBF16;
  EXPECT_FALSE(is_refused(matrix, 60000, 1, 0.1F));
  matrix.role = ScfRole::kGate;
  EXPECT_FALSE(is_refused(matrix, 3e38F, 1, 0.01F));
  EXPECT_TRUE(is_refused(matrix, 3e38F, 1, 2));
}

TEST(MakeGrid, PutsSumsAndCountsTogether) {
  const GridJob job = job_of(ScfRole::kDown, AlphaRule::kPlain, {3, -2});
  const std::vector<float> parameters = {3, -2};
  const auto groups = group_points(ScfRole::kDown, parameters);
  std::vector<GroupTally> tallies(2);
  tallies[0].moved[0] = 4;
  tallies[1].changed[0] = 2;
  for (GroupTally& tally : tallies) tally.accumulate();
  const MatrixGrid grid = make_grid(job, moments_of_four(), parameters, groups, tallies);
  EXPECT_EQ(grid.covered, 4U);
  EXPECT_EQ(grid.weight2, 16);
  EXPECT_EQ(grid.max_delta, 0.5);
  ASSERT_EQ(grid.points.size(), 2U);
  EXPECT_EQ(grid.points[0].parameter, 3);
  EXPECT_EQ(grid.points[0].moved, 4U);
  EXPECT_EQ(grid.points[0].change, 12);
  EXPECT_EQ(grid.points[0].change2, 36);
  EXPECT_EQ(grid.points[1].changed, 2);
  EXPECT_EQ(grid.points[1].change, -8);
  EXPECT_EQ(grid.points[1].change2, 16);
}

TEST(MakeGrid, OfAZeroDeltaIsEmpty) {
  const GridJob job = job_of(ScfRole::kDown, AlphaRule::kPlain, {3});
  GridMoments moments = moments_of_four();
  moments.delta = {{0, 0}, 4, -0.0F, 0};
  const std::vector<float> parameters = {3};
  const MatrixGrid grid =
      make_grid(job, moments, parameters, group_points(ScfRole::kDown, parameters), {});
  ASSERT_EQ(grid.points.size(), 1U);
  EXPECT_EQ(grid.points[0].parameter, 0);
  EXPECT_EQ(grid.points[0].changed, 0);
  EXPECT_EQ(grid.max_delta, 0);
  EXPECT_EQ(grid.weight2, 16);
}

}  // namespace
}  // namespace contourfuse
