// Records add up member by member; the largest change is a maximum.
#include "contourfuse/numeric/record.hpp"

#include <gtest/gtest.h>

namespace contourfuse {
namespace {

TEST(RecordCounts, AddMemberByMember) {
  const RecordCounts sum = RecordCounts{1, 2, 3, 4, 5, 6, 7} +
                           RecordCounts{10, 20, 30, 40, 50, 60, std::uint64_t{1} << 40};
  EXPECT_EQ(sum.moved, 11U);
  EXPECT_EQ(sum.changed, 22U);
  EXPECT_EQ(sum.lost, 33U);
  EXPECT_EQ(sum.clamped, 44U);
  EXPECT_EQ(sum.sign_flips, 55U);
  EXPECT_EQ(sum.zero_weights, 66U);
  EXPECT_EQ(sum.nonfinite_kept, (std::uint64_t{1} << 40) + 7);
}

TEST(RecordSums, AddMemberByMemberAndKeepTheLargestChange) {
  const RecordSums a{1, 2, 3, -4, 5, 0.5};
  const RecordSums b{10, 20, 30, 40, 50, 0.25};
  for (const RecordSums& sum : {a + b, b + a}) {
    EXPECT_EQ(sum.weight2, 11);
    EXPECT_EQ(sum.out2, 22);
    EXPECT_EQ(sum.change2, 33);
    EXPECT_EQ(sum.change, 36);
    EXPECT_EQ(sum.weight_out, 55);
    EXPECT_EQ(sum.max_change, 0.5);
  }
}

}  // namespace
}  // namespace contourfuse
