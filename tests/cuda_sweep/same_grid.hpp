// Whether two grids have the same bits.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "backend/cpu/reference.hpp"
#include "contourfuse/sweep/backend.hpp"

namespace contourfuse::test {

inline void expect_same_point(const GridPoint& a, const GridPoint& b, const std::string& where) {
  EXPECT_TRUE(same_bits(static_cast<double>(a.parameter), static_cast<double>(b.parameter)))
      << where;
  EXPECT_EQ(a.moved, b.moved) << where;
  EXPECT_EQ(a.changed, b.changed) << where;
  EXPECT_EQ(a.lost, b.lost) << where;
  EXPECT_EQ(a.clamped, b.clamped) << where;
  EXPECT_EQ(a.sign_flips, b.sign_flips) << where;
  EXPECT_TRUE(same_bits(a.change2, b.change2)) << where << ": " << a.change2 << ", " << b.change2;
  EXPECT_TRUE(same_bits(a.change, b.change)) << where << ": " << a.change << ", " << b.change;
}

inline void expect_same_grid(const MatrixGrid& a, const MatrixGrid& b, const std::string& where) {
  EXPECT_EQ(a.covered, b.covered) << where;
  EXPECT_TRUE(same_bits(a.weight2, b.weight2)) << where;
  EXPECT_TRUE(same_bits(a.max_delta, b.max_delta)) << where;
  ASSERT_EQ(a.points.size(), b.points.size()) << where;
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    expect_same_point(a.points[i], b.points[i], where + ", point " + std::to_string(i));
    if (testing::Test::HasFailure()) return;
  }
}

/// A job's place among others, for messages.
inline std::string described(const GridJob& job, const std::string& what) {
  return what + ", " + std::string(dtype_name(job.matrix.dtype)) + " by " +
         std::string(dtype_name(job.matrix.delta_dtype)) +
         (job.matrix.role == ScfRole::kGate ? ", gate" : ", down") +
         (job.stochastic ? ", stochastic" : "");
}

}  // namespace contourfuse::test
