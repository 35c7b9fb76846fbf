// The list of work covers every byte of every shard once and in order, moments before edits.
#include "backend/cpu/work_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

namespace contourfuse {
namespace {

constexpr std::uint64_t kPieceElements = kPieceBlocks * kBlockElements;

MatrixJob matrix(std::size_t shard, std::uint64_t offset, std::uint64_t rows, std::uint64_t cols,
                 DType dtype = DType::kBF16, ScfRole role = ScfRole::kDown) {
  return {.name = "m",
          .role = role,
          .shard = shard,
          .offset = offset,
          .rows = rows,
          .cols = cols,
          .covered_rows = rows,
          .covered_cols = cols,
          .dtype = dtype};
}

MatrixJob covered(MatrixJob job, std::uint64_t rows, std::uint64_t cols) {
  job.covered_rows = rows;
  job.covered_cols = cols;
  return job;
}

/// Shards that begin and end with a matrix or a copy, touching matrices, partial and empty ones.
FuseJob varied_job() {
  FuseJob job;
  job.shards.resize(5);
  job.shards[0].bytes = 3'000'001;
  job.matrices.push_back(matrix(0, 11, 600, 500));  // 300000 elements: two pieces
  job.matrices.push_back(matrix(0, 11 + 600'000, 0, 7));
  job.matrices.push_back(
      covered(matrix(0, 11 + 600'000, 512, 600, DType::kF32), 511, 599));  // touches the first
  job.matrices.push_back(matrix(0, 2'500'000, 3, 5, DType::kF16, ScfRole::kGate));
  job.shards[1].bytes = 2'000'000;  // nothing to edit
  job.shards[2].bytes = kPieceElements * 4;
  job.matrices.push_back(matrix(2, 0, 2, kPieceElements));  // all of the shard
  job.shards[3].bytes = 0;
  job.shards[4].bytes = 10'000'000'000;  // more elements than 32 bits count
  job.matrices.push_back(covered(matrix(4, 100, 50'000, 90'000), 10, 90'000));
  job.matrices.push_back(covered(matrix(4, 9'000'000'100, 4, 4), 0, 0));
  return job;
}

std::vector<WorkItem> all_items(const FuseJob& job) {
  WorkList list(job, kPieceElements);
  std::vector<WorkItem> items;
  while (const auto item = list.next()) items.push_back(*item);
  EXPECT_FALSE(list.next().has_value());
  return items;
}

bool moves_bytes(const WorkItem& item) {
  return item.step == Step::kCopy || item.step == Step::kEdit;
}

std::uint64_t end_of(const MatrixJob& job) {
  return job.offset + job.rows * job.cols * editable_bytes(job.dtype);
}

TEST(WorkList, CoversEveryByteOnceAndInOrder) {
  const FuseJob job = varied_job();
  std::size_t shard = 0;
  std::uint64_t at = 0;
  std::uint64_t ticket = 0;
  for (const WorkItem& item : all_items(job)) {
    if (!moves_bytes(item)) continue;
    while (shard < item.shard) {
      ASSERT_EQ(at, job.shards[shard].bytes);
      ++shard;
      at = 0;
      ticket = 0;
    }
    ASSERT_EQ(item.shard, shard);
    ASSERT_EQ(item.begin, at);
    ASSERT_GT(item.end, item.begin);
    ASSERT_EQ(item.ticket, ticket++);
    at = item.end;
    if (item.step == Step::kEdit) {
      const MatrixJob& edited = job.matrices[item.matrix];
      ASSERT_EQ(edited.shard, shard);
      ASSERT_GE(item.begin, edited.offset);
      ASSERT_LE(item.end, end_of(edited));
      ASSERT_LE(item.end - item.begin, kPieceElements * editable_bytes(edited.dtype));
      ASSERT_EQ((item.begin - edited.offset) % (kBlockElements * editable_bytes(edited.dtype)), 0U);
    } else {
      ASSERT_LE(item.end - item.begin, copy_bytes(kPieceElements));
      for (const MatrixJob& other : job.matrices) {
        if (other.shard != shard || other.rows * other.cols == 0) continue;
        ASSERT_TRUE(item.end <= other.offset || item.begin >= end_of(other));
      }
    }
  }
  EXPECT_EQ(shard, job.shards.size() - 1);
  EXPECT_EQ(at, job.shards.back().bytes);
}

/// Checks that the items of `step` and `matrix` cover [first, end) in order, pieces numbered.
void expect_pieces(const std::vector<WorkItem>& items, Step step, std::size_t matrix,
                   std::uint64_t first, std::uint64_t end) {
  std::uint64_t at = first;
  std::uint64_t piece = 0;
  for (const WorkItem& item : items) {
    if (item.step != step || item.matrix != matrix) continue;
    ASSERT_EQ(item.begin, at);
    ASSERT_EQ(item.piece, piece++);
    at = item.end;
  }
  EXPECT_EQ(at, end) << "matrix " << matrix << ", step " << static_cast<int>(step);
}

void expect_passes(AlphaRule rule) {
  FuseJob job = varied_job();
  job.numbers.alpha_rule = rule;
  const auto items = all_items(job);
  for (std::size_t i = 0; i < job.matrices.size(); ++i) {
    const MatrixJob& matrix = job.matrices[i];
    const bool measured = matrix.role == ScfRole::kDown && rule != AlphaRule::kPlain;
    const bool apart = matrix.covered_cols != matrix.cols;
    expect_pieces(items, Step::kMoments, i, 0, measured ? matrix.covered() : 0);
    expect_pieces(items, Step::kRecord, i, 0, apart ? matrix.covered() : 0);
    expect_pieces(items, Step::kEdit, i, matrix.offset, end_of(matrix));
    // Moments, then the record, then the edit.
    std::vector<Step> steps;
    for (const WorkItem& item : items) {
      if (item.step != Step::kCopy && item.matrix == i) steps.push_back(item.step);
    }
    EXPECT_TRUE(std::ranges::is_sorted(steps));
  }
  EXPECT_EQ(piece_count(0, kPieceElements), 0U);
  EXPECT_EQ(piece_count(kPieceElements, kPieceElements), 1U);
  EXPECT_EQ(piece_count(kPieceElements + 1, kPieceElements), 2U);
}

TEST(WorkList, MeasuresAndRecordsBeforeItEdits) { expect_passes(AlphaRule::kSigmaRatio); }
TEST(WorkList, MeasuresNothingWithoutANorm) { expect_passes(AlphaRule::kPlain); }

TEST(WorkList, GivesEachItemToOneThread) {
  const FuseJob job = varied_job();
  const auto key = [](const WorkItem& item) {
    return std::tuple(item.shard, item.matrix, item.step, item.begin, item.end, item.ticket);
  };
  const auto sorted = [&](std::vector<WorkItem> items) {
    std::ranges::sort(items, {}, key);
    return items;
  };
  const auto expected = sorted(all_items(job));
  WorkList list(job, kPieceElements);
  std::mutex mutex;
  std::vector<WorkItem> taken;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (const auto item = list.next()) {
        const std::lock_guard lock(mutex);
        taken.push_back(*item);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  taken = sorted(std::move(taken));
  EXPECT_TRUE(std::ranges::equal(taken, expected, {}, key, key));
}

TEST(WorkList, LeavesOutWhatLiesBeforeAShardsBegin) {
  FuseJob job = varied_job();
  job.shards[0].begin = 2'500'000;  // its last matrix
  job.matrices.erase(job.matrices.begin(), job.matrices.begin() + 3);
  job.shards[1].begin = job.shards[1].bytes;
  for (const WorkItem& item : all_items(job)) {
    if (moves_bytes(item)) {
      EXPECT_GE(item.begin, job.shards[item.shard].begin);
    }
    EXPECT_NE(item.shard, 1U);
  }
  expect_pieces(all_items(job), Step::kEdit, 0, 2'500'000, end_of(job.matrices[0]));
}

TEST(WorkList, CopiesUpToMultiplesOfItsPieces) {
  const FuseJob job = varied_job();
  for (const WorkItem& item : all_items(job)) {
    if (item.step != Step::kCopy) continue;
    const bool last = item.end == job.shards[item.shard].bytes ||
                      std::ranges::any_of(job.matrices, [&](const MatrixJob& each) {
                        return each.shard == item.shard && each.offset == item.end;
                      });
    EXPECT_TRUE(last || item.end % copy_bytes(kPieceElements) == 0);
  }
}

TEST(PieceElements, KeepBuffersBelowTheLimits) {
  FuseJob job = varied_job();
  for (const bool direct : {false, true}) {
    job.write_direct = direct;
    const std::uint64_t limit = (direct ? 512U : 64U) * std::uint64_t{1'000'000};
    std::uint64_t before = ~std::uint64_t{0};
    for (const int threads : {1, 2, 16, 32, 48, 64, 128, 512}) {
      const std::uint64_t elements = piece_elements(job, threads);
      EXPECT_EQ(elements % kBlockElements, 0U);
      EXPECT_EQ((elements / kBlockElements) & (elements / kBlockElements - 1), 0U)
          << "a power of two, which folds to one node";
      EXPECT_LE(elements, before);
      EXPECT_LE(elements, kMostPieceBlocks * kBlockElements);
      // Weights up to f32, deltas of bf16.
      EXPECT_TRUE(static_cast<std::uint64_t>(threads) * elements * 6 < limit ||
                  elements == kBlockElements);
      before = elements;
    }
  }
  job.write_direct = false;
  EXPECT_EQ(piece_elements(job, 2), kPieceBlocks * kBlockElements);
  job.read_method = ReadMethod::kDirect;
  EXPECT_EQ(piece_elements(job, 2), kDirectPieceBlocks * kBlockElements);
}

TEST(WorkList, OfNothingIsEmpty) {
  const FuseJob job;
  EXPECT_TRUE(all_items(job).empty());
}

}  // namespace
}  // namespace contourfuse
