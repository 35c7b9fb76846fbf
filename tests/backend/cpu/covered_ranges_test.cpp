// Ranges of covered elements: all of them once, in blocks; sums in their order; failures.
#include "backend/cpu/covered_ranges.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/grid_fixture.hpp"

namespace contourfuse {
namespace {

using test::GridFixture;

GridFixture numbered(std::uint64_t rows, std::uint64_t cols, std::uint64_t covered_rows,
                     std::uint64_t covered_cols) {
  std::uint32_t next = 0;
  const auto count = [&next](DType, std::mt19937&) { return next++; };
  const auto weight = test::made_elements(DType::kF32, rows * cols, 0, count);
  next = 0;
  const auto delta = test::made_elements(DType::kBF16, covered_rows * covered_cols, 0, count);
  return {{rows, cols, covered_rows, covered_cols, DType::kF32, DType::kBF16}, weight, delta};
}

TEST(ForEachRange, VisitsEveryElementOnce) {
  const std::uint64_t shapes[][4] = {
      {1, 1, 1, 1}, {3, 5, 2, 4}, {260, 4100, 259, 4099}, {4, 70000, 3, 70000}};
  for (const auto& [rows, cols, covered_rows, covered_cols] : shapes) {
    GridFixture fixture = numbered(rows, cols, covered_rows, covered_cols);
    const MatrixJob& matrix = fixture.job.matrix;
    std::vector<std::atomic<int>> visits(matrix.covered());
    std::atomic<bool> wrong = false;
    for_each_range(*fixture.job.source, matrix, {.threads = 3},
                   [&](const CoveredRange& range, BlockReader& reader) {
                     wrong = wrong || range.begin != range.number * kRangeElements;
                     std::uint64_t next = range.begin;
                     reader.read(range, [&](const CoveredBlock& block) {
                       // Blocks follow one another and are whole except for the last.
                       wrong = wrong || block.first != next || block.count > kBlockElements ||
                               (block.count < kBlockElements && next + block.count != range.end);
                       next += block.count;
                       for (std::size_t i = 0; i < block.count; ++i) {
                         const std::uint64_t at = block.first + i;
                         const std::uint64_t index = at / covered_cols * cols + at % covered_cols;
                         wrong = wrong || test::load(DType::kF32, block.weight + 4 * i) != index ||
                                 test::load(DType::kBF16, block.delta + 2 * i) != (at & 0xFFFFU);
                         ++visits[at];
                       }
                     });
                     wrong = wrong || next != range.end;
                   });
    EXPECT_FALSE(wrong);
    for (const auto& count : visits) ASSERT_EQ(count, 1);
  }
}

TEST(ForEachRange, ThrowsTheFirstFailure) {
  GridFixture fixture = numbered(300, 8192, 300, 8192);
  EXPECT_THROW(for_each_range(*fixture.job.source, fixture.job.matrix, {.threads = 2},
                              [](const CoveredRange& range, BlockReader&) {
                                if (range.number == 1) throw std::length_error("one");
                              }),
               std::length_error);
  fixture.delta().on_read = [](int) { throw std::domain_error("no delta"); };
  EXPECT_THROW(for_each_range(*fixture.job.source, fixture.job.matrix, {.threads = 2},
                              [](const CoveredRange& range, BlockReader& reader) {
                                reader.read(range, [](const CoveredBlock&) {});
                              }),
               std::domain_error);
}

TEST(RangeSum, AddsInOrder) {
  RangeSum<std::string> sum("",
                            [](std::string& total, const std::string& value) { total += value; });
  const std::pair<std::uint64_t, const char*> parts[] = {{2, "c"}, {0, "a"}, {3, "d"}, {1, "b"}};
  for (const auto& [number, text] : parts) sum.add(number, text);
  EXPECT_EQ(sum.total(), "abcd");
}

}  // namespace
}  // namespace contourfuse
