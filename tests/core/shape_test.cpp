// Element counts that do not wrap around.
#include "contourfuse/core/shape.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace contourfuse {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(Shape, CountsElements) {
  EXPECT_EQ(element_count({}), 1U);
  EXPECT_EQ(element_count({7}), 7U);
  EXPECT_EQ(element_count({5376, 21504}), 115'605'504U);
  EXPECT_EQ(element_count({2, 0, 3}), 0U);
  EXPECT_EQ(element_count({kMost, 1}), kMost);
  EXPECT_EQ(element_count({std::uint64_t{1} << 32, (std::uint64_t{1} << 32) - 1}),
            18446744069414584320U);
}

TEST(Shape, TellsOverflowUnlessAnExtentIsZero) {
  EXPECT_EQ(element_count({std::uint64_t{1} << 32, std::uint64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(element_count({kMost, 2, 1}), std::nullopt);
  EXPECT_EQ(element_count({kMost, kMost, 0}), 0U);
  EXPECT_EQ(element_count({0, kMost, kMost}), 0U);
}

TEST(Shape, ChecksArithmetic) {
  EXPECT_EQ(checked_add(kMost - 1, 1), kMost);
  EXPECT_EQ(checked_add(kMost, 1), std::nullopt);
  EXPECT_EQ(checked_multiply(kMost, 1), kMost);
  EXPECT_EQ(checked_multiply(kMost / 2, 3), std::nullopt);
}

TEST(Shape, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{5376}), "[5376]");
  EXPECT_EQ(to_string(Shape{5376, 21504}), "[5376, 21504]");
}

}  // namespace
}  // namespace contourfuse
