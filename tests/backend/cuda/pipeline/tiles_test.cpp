// Tiles and windows are a partition of the matrix; packing keeps the covered elements in order.
#include "pipeline/tiles.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "contourfuse/numeric/moments.hpp"

namespace contourfuse::device {
namespace {

MatrixJob matrix_of(std::uint64_t rows, std::uint64_t cols, std::uint64_t covered_rows,
                    std::uint64_t covered_cols) {
  return {.rows = rows, .cols = cols, .covered_rows = covered_rows, .covered_cols = covered_cols};
}

bool is_covered(const MatrixJob& matrix, std::uint64_t index) {
  return index / matrix.cols < matrix.covered_rows && index % matrix.cols < matrix.covered_cols;
}

const MatrixJob kMatrices[] = {matrix_of(200, 100, 200, 100), matrix_of(200, 100, 190, 100),
                               matrix_of(200, 100, 200, 99),  matrix_of(200, 100, 130, 77),
                               matrix_of(1, 1, 1, 1),         matrix_of(3, 5, 1, 1),
                               matrix_of(20'000, 1, 9000, 1), matrix_of(10, 10, 0, 0)};

TEST(Tiles, AreAPartitionInBlocks) {
  for (const MatrixJob& matrix : kMatrices) {
    for (const std::uint64_t blocks : {1U, 2U, 100U}) {
      const Tiles tiles(matrix, blocks * kBlockElements);
      std::uint64_t index = 0;
      std::uint64_t covered = 0;
      for (std::uint64_t i = 0; i < tiles.count(); ++i) {
        const MatrixPart tile = tiles[i];
        EXPECT_EQ(tile.begin, index);
        EXPECT_EQ(tile.first, covered);
        EXPECT_EQ(tile.first % kBlockElements, 0U);
        EXPECT_LE(tile.covered, blocks * kBlockElements);
        EXPECT_EQ(covered_before(matrix, tile.begin), tile.first);
        index = tile.end;
        covered += tile.covered;
      }
      EXPECT_EQ(index, matrix.rows * matrix.cols);
      EXPECT_EQ(covered, matrix.covered());
    }
  }
}

TEST(Windows, AreAPartitionOfTheTilesThatSlotsHold) {
  for (const MatrixJob& matrix : kMatrices) {
    for (const std::uint64_t slot_bytes : {64U, 1000U, 1'000'000U}) {
      const Tiles tiles(matrix, kBlockElements);
      std::uint64_t index = 0;
      std::uint64_t covered = 0;
      std::uint64_t count = 0;
      for (std::uint64_t i = 0; i < tiles.count(); ++i) {
        const Windows windows(matrix, tiles[i], slot_bytes);
        for (std::uint64_t w = 0; w < windows.count(); ++w, ++count) {
          const MatrixPart window = windows[w];
          EXPECT_EQ(window.begin, index);
          EXPECT_GT(window.size(), 0U);
          EXPECT_LE(window.size() * 2, slot_bytes);
          EXPECT_EQ(window.first, covered);
          std::uint64_t expected = 0;
          for (; index < window.end; ++index) expected += is_covered(matrix, index) ? 1U : 0U;
          EXPECT_EQ(window.covered, expected);
          covered += expected;
        }
        EXPECT_EQ(index, tiles[i].end);
      }
      EXPECT_EQ(count, window_count(matrix, kBlockElements, slot_bytes));
    }
  }
}

TEST(Packing, KeepsTheCoveredInOrderAndReadsTheRest) {
  for (const MatrixJob& matrix : kMatrices) {
    const Windows windows(matrix, Tiles(matrix, 3 * kBlockElements)[0], 1234);
    for (std::uint64_t w = 0; w < windows.count(); ++w) {
      const MatrixPart window = windows[w];
      std::vector<std::uint16_t> whole(window.size());
      std::iota(whole.begin(), whole.end(), std::uint16_t{1});
      std::vector<std::uint16_t> covered;
      for (std::uint64_t i = 0; i < whole.size(); ++i) {
        if (is_covered(matrix, window.begin + i)) covered.push_back(whole[i]);
      }
      std::vector<std::uint16_t> packed = whole;
      pack(matrix, window, std::as_writable_bytes(std::span(packed)));
      packed.resize(covered.size());
      EXPECT_EQ(packed, covered);

      std::vector<std::uint16_t> unpacked(whole.size() - covered.size());
      unpacked.insert(unpacked.end(), covered.begin(), covered.end());
      unpack(matrix, window, std::as_writable_bytes(std::span(unpacked)),
             [&](std::uint64_t at, std::span<std::byte> run) {
               const auto from = std::as_bytes(std::span(whole)).subspan(at, run.size());
               std::copy(from.begin(), from.end(), run.begin());
             });
      EXPECT_EQ(unpacked, whole);
    }
  }
}

}  // namespace
}  // namespace contourfuse::device
