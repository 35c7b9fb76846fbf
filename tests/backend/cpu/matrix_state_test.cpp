// What a matrix's state refuses: elements that are not finite, deltas without spread.
#include "backend/cpu/matrix_state.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/cpu/fuse_fixture.hpp"

namespace contourfuse {
namespace {

using test::failure_of;
using test::FuseFixture;

constexpr DType kStored = DType::kBF16;
constexpr int kThreadCounts[] = {1, 2, 3, 8, 32};

TEST(NonFinite, NamesTheFirstElement) {
  for (const int threads : kThreadCounts) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_bytes(11);
    fuse.add_matrix({30, 6171, 30, 6171, kStored, kStored, ScfRole::kGate});
    fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
    fuse.set_weight(0, 12'345, 0x7FC0);
    const Error error = failure_of(fuse, threads);
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.kind(), "non-finite");
    EXPECT_EQ(
        error.message(),
        "1 element is not finite in the weight, the delta or the result; the first is element "
        "12345 (row 2, column 3)");
    EXPECT_EQ(error.place().tensor, "matrix 1");
    EXPECT_EQ(error.place().file, "the delta");
    ASSERT_TRUE(error.place().bytes.has_value());
    EXPECT_EQ(error.place().bytes->begin, 11U + 2 * 12'345);
    EXPECT_EQ(error.place().bytes->end, 11U + 2 * 12'346);
    EXPECT_EQ(error.hint(), "--nonfinite keep leaves such elements as they are");
  }
}

TEST(NonFinite, CountsAcrossPiecesInTheWholeMatrixsIndices) {
  for (const int threads : kThreadCounts) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({900, 1000, 800, 900, kStored, kStored, ScfRole::kDown});
    fuse.job.numbers = {.alpha = 0.7, .alpha_rule = AlphaRule::kPlain};
    fuse.set_weight(0, 799'899, 0x7F80);
    fuse.set_weight(0, 5'020, 0xFF80);
    fuse.set_weight(0, 400'000, 0x7FC0);
    fuse.set_weight(0, 900, 0x7FC0);      // not covered: columns
    fuse.set_weight(0, 800'000, 0x7FC0);  // not covered: rows
    EXPECT_EQ(failure_of(fuse, threads).message(),
              "3 elements are not finite in the weight, the delta or the result; the first is "
              "element 5020 (row 5, column 20)");
  }
}

TEST(NonFinite, OfDeltaOrResultFailsToo) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({2, 4, 2, 4, DType::kF16, kStored, ScfRole::kGate});
  fuse.job.numbers = {.gamma = 0.5F};
  std::vector<std::byte> elements(16);
  test::store(kStored, elements.data() + 2 * 6, 0x7F80);  // clamped to γ, and yet refused
  const test::MemoryDelta infinite(kStored, elements);
  fuse.job.matrices[0].delta = &infinite;
  EXPECT_NE(failure_of(fuse, 2).message().find("1 element is"), std::string::npos);
  EXPECT_NE(failure_of(fuse, 2).message().find("element 6 (row 1, column 2)"), std::string::npos);
  test::store(kStored, elements.data() + 2 * 6, 0x3F80);
  const test::MemoryDelta large(kStored, elements);
  fuse.job.matrices[0].delta = &large;
  fuse.set_weight(0, 6, 0x7BFF);  // 65504 · 1.5 is past f16
  EXPECT_NE(failure_of(fuse, 2).message().find("element 6 (row 1, column 2)"), std::string::npos);
}

TEST(NoSpread, FailsUnderANormAndNotWithout) {
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({20, 30, 20, 30, kStored, kStored, ScfRole::kDown});
    std::vector<std::byte> elements(20 * 30 * 2);
    for (std::size_t i = 0; i < 600; ++i) test::store(kStored, elements.data() + 2 * i, 0x3F00);
    const test::MemoryDelta equal(kStored, elements);
    fuse.job.matrices[0].delta = &equal;
    fuse.job.numbers = {.alpha = 0.7, .alpha_rule = rule};
    const Error error = failure_of(fuse, 3);
    if (rule == AlphaRule::kPlain) {
      EXPECT_EQ(error.kind(), "none");
      continue;
    }
    EXPECT_EQ(error.kind(), "no-spread");
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().tensor, "matrix 1");
    EXPECT_NE(error.message().find("all covered deltas are 0.5"), std::string::npos);
  }
}

}  // namespace
}  // namespace contourfuse
