// The backend on files: equal to the reference with any number of threads.
#include "contourfuse/backend/cpu/cpu_backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cpu/fuse_fixture.hpp"

namespace contourfuse {
namespace {

using test::ExpectedMatrix;
using test::FuseFixture;
using test::MatrixSpec;

constexpr DType kBf16 = DType::kBF16;
constexpr DType kF16 = DType::kF16;
constexpr DType kF32 = DType::kF32;
constexpr ScfRole kDown = ScfRole::kDown;
constexpr ScfRole kGate = ScfRole::kGate;
constexpr int kThreads[] = {1, 2, 3, 8, 32};

/// All kinds of coverage, several pieces, odd offsets, shards with nothing to edit or in them.
void fill(FuseFixture& fuse) {
  fuse.add_shard();
  fuse.add_bytes(1001);
  fuse.add_matrix({600, 500, 600, 500, kBf16, kBf16, kDown});
  fuse.add_matrix({0, 7, 0, 7, kBf16, kBf16, kDown});
  fuse.add_matrix({600, 450, 500, 370, kF16, kF32, kGate});  // fewer rows and columns
  fuse.add_bytes(1'200'003);
  fuse.add_shard();
  fuse.add_bytes(777'777);
  fuse.add_shard();
  fuse.add_matrix({700, 400, 690, 400, kF32, kF16, kDown});    // fewer rows
  fuse.add_matrix({300, 1000, 300, 999, kBf16, kF32, kDown});  // fewer columns
  fuse.add_matrix({3, 5, 1, 1, kBf16, kF16, kGate});
  fuse.add_matrix({4, 4, 0, 0, kF16, kF16, kDown});
  fuse.add_matrix({500, 600, 500, 600, kBf16, kBf16, kGate});
  fuse.add_shard();
}

void expect_equal(const FuseResults& got, const std::vector<ExpectedMatrix>& expected) {
  ASSERT_EQ(got.matrices.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const MatrixResult& matrix = got.matrices[i];
    EXPECT_TRUE(test::same_counts(matrix.counts, expected[i].counts)) << i;
    EXPECT_TRUE(test::same_sums(matrix.sums, expected[i].sums)) << i;
    if (expected[i].counts.zero_weights + expected[i].counts.changed == 0) continue;
    EXPECT_EQ(matrix.sigma_weight, expected[i].sigma_weight) << i;
    EXPECT_EQ(matrix.sigma_delta, expected[i].sigma_delta) << i;
    EXPECT_EQ(matrix.alpha_dynamic, expected[i].alpha) << i;
    EXPECT_FALSE(matrix.delta_is_zero) << i;
  }
}

void expect_run(FuseFixture& fuse, int threads, const std::vector<ExpectedMatrix>& results,
                const std::vector<std::vector<std::byte>>& files) {
  const auto outcome = fuse.run(threads);
  expect_equal(outcome.results, results);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    ASSERT_EQ(outcome.files[i], files[i]) << "shard " << i << ", " << threads << " threads";
    EXPECT_EQ(outcome.results.shards[i].source_hash, test::hash_of(fuse.shards[i]));
    EXPECT_EQ(outcome.results.shards[i].target_hash, test::hash_of(files[i]));
    bytes += files[i].size();
  }
  std::uint64_t edited = 0;
  for (std::size_t i = 0; i < fuse.job.matrices.size(); ++i) {
    const MatrixJob& matrix = fuse.job.matrices[i];
    const auto& file = files[matrix.shard];
    const std::uint64_t size = matrix.rows * matrix.cols * editable_bytes(matrix.dtype);
    EXPECT_EQ(outcome.results.matrices[i].weight_hash,
              test::hash_of({file.data() + matrix.offset, size}));
    EXPECT_EQ(
        outcome.results.matrices[i].delta_hash,
        test::hash_of(std::next(fuse.deltas.begin(), static_cast<std::ptrdiff_t>(i))->elements()));
    edited += matrix.covered() > 0 ? size : 0;
  }
  EXPECT_EQ(outcome.results.bytes_written + outcome.results.bytes_cloned, bytes);
  if (fuse.copying == CopyMethod::kWrite) {
    EXPECT_EQ(outcome.results.bytes_written, bytes);
  }
  if (fuse.copying == CopyMethod::kCloned) {
    EXPECT_EQ(outcome.results.bytes_written, edited);
  }
}

void expect_reference(FuseFixture& fuse) {
  std::vector<ExpectedMatrix> results;
  const auto files = fuse.expected(results);
  for (const ReadMethod method : {ReadMethod::kPread, ReadMethod::kMmap}) {
    for (const int threads : {1, 2, 3, 8}) {
      fuse.job.read_method = method;
      expect_run(fuse, threads, results, files);
    }
  }
}

TEST(CpuBackend, EqualsTheReferenceUnderSigmaRatio) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F, .alpha_rule = AlphaRule::kSigmaRatio};
  expect_reference(fuse);
}

TEST(CpuBackend, EqualsTheReferenceUnderInverseSigmaWithStochasticRounding) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 0.3,
                      .gamma = 1.5F,
                      .alpha_rule = AlphaRule::kInverseSigma,
                      .stochastic = true,
                      .rounding_seed = 0xABCDEF0123456789U};
  expect_reference(fuse);
}

TEST(CpuBackend, EqualsTheReferenceWithoutANorm) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 2.5, .gamma = 0.05F, .alpha_rule = AlphaRule::kPlain};
  expect_reference(fuse);
}

TEST(CpuBackend, ReadsAndWritesByEveryMethod) {
  FuseFixture fuse;
  fill(fuse);
  // Long enough for several of the longest pieces, after an odd offset.
  fuse.add_matrix({1200, 2000, 1200, 2000, kBf16, kBf16, kDown});
  fuse.add_bytes(5'000'000);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F, .stochastic = true};
  fuse.deltas_in_files = true;
  std::vector<ExpectedMatrix> results;
  const auto files = fuse.expected(results);
  for (const ReadMethod method : {ReadMethod::kPread, ReadMethod::kMmap, ReadMethod::kDirect}) {
    for (const bool direct : {false, true}) {
      fuse.job.read_method = method;
      fuse.job.write_direct = direct;
      expect_run(fuse, 3, results, files);
    }
  }
  fuse.job.read_method = ReadMethod::kDirect;
  for (const bool direct : {false, true}) {
    fuse.job.write_direct = direct;
    expect_run(fuse, direct ? 1 : 24, results, files);  // 24 threads have smaller pieces
    for (const CopyMethod copying : {CopyMethod::kCloned, CopyMethod::kCopyRange}) {
      fuse.copying = copying;
      expect_run(fuse, 2, results, files);
    }
    fuse.copying = CopyMethod::kWrite;
  }
}

TEST(CpuBackend, EditsFilesInPlace) {
  FuseFixture fuse;
  fill(fuse);
  fuse.in_place = true;
  fuse.copying = CopyMethod::kCloned;
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F, .stochastic = true};
  std::vector<ExpectedMatrix> results;
  const auto files = fuse.expected(results);
  for (const ReadMethod method : {ReadMethod::kPread, ReadMethod::kMmap, ReadMethod::kDirect}) {
    for (const bool direct : {false, true}) {
      fuse.job.read_method = method;
      fuse.job.write_direct = direct;
      for (const int threads : {1, 3, 8}) expect_run(fuse, threads, results, files);
    }
  }
}

// Columns covered in part are recorded in a reading of their own.
TEST(CpuBackend, WritesNoColumnsBeforeTheirRecords) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({500, 3000, 500, 2999, kBf16, kBf16, kGate});
  fuse.in_place = true;
  fuse.copying = CopyMethod::kCloned;
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  std::vector<ExpectedMatrix> results;
  const auto files = fuse.expected(results);
  for (int round = 0; round < 10; ++round) expect_run(fuse, 8, results, files);
}

TEST(CpuBackend, WaitsForItsTurns) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  std::atomic<RateLimit::Time::rep> now = 1'000'000'000'000;
  RateLimit limit(
      1'000'000, [&] { return RateLimit::Time(now.load()); },
      [&](RateLimit::Time time) { now += time.count(); });
  const auto outcome = fuse.run(1, true, {.rate = &limit});
  const double seconds = static_cast<double>(now - 1'000'000'000'000) / 1e9;
  const double bytes =
      static_cast<double>(outcome.results.bytes_read + outcome.results.bytes_written);
  // The last turn is not waited for, nor the credit of the time before.
  EXPECT_LE(seconds, bytes / 1e6);
  EXPECT_GE(seconds, bytes / 1e6 - 2);
}

TEST(CpuBackend, ComputesTheSameWithoutTargets) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  const auto written = fuse.run(2);
  const auto computed = fuse.run(2, false);
  EXPECT_EQ(computed.results.bytes_written, 0U);
  EXPECT_GT(written.results.bytes_written, 0U);
  for (std::size_t i = 0; i < fuse.job.matrices.size(); ++i) {
    EXPECT_EQ(computed.results.matrices[i].weight_hash, written.results.matrices[i].weight_hash);
  }
  for (std::size_t i = 0; i < fuse.shards.size(); ++i) {
    EXPECT_EQ(computed.results.shards[i].target_hash, written.results.shards[i].target_hash);
  }
}

TEST(CpuBackend, ComputesOneMatrixWithoutTheRestOfItsShard) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(1001);
  fuse.add_matrix({30, 300, 30, 300, kBf16, kBf16, kDown});
  fuse.add_bytes(40'003);
  fuse.add_matrix({90, 210, 80, 170, kBf16, kBf16, kDown});
  fuse.add_bytes(7);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  const auto whole = fuse.run(2, false);
  fuse.job.matrices.erase(fuse.job.matrices.begin());
  fuse.first_byte = fuse.job.matrices[0].offset;
  const auto part = fuse.run(2, false);
  EXPECT_EQ(part.results.matrices[0].weight_hash, whole.results.matrices[1].weight_hash);
  EXPECT_EQ(part.results.matrices[0].counts.changed, whole.results.matrices[1].counts.changed);
  Hash128 tail;
  tail.update(std::span(fuse.shards[0]).subspan(fuse.first_byte));
  EXPECT_EQ(part.results.shards[0].source_hash, tail.hex());
}

TEST(CpuBackend, CountsTheBytesThatItReads) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  fuse.deltas.front().is_stored = false;
  const auto outcome = fuse.run(3);
  std::uint64_t stored = 0;
  for (const auto& delta : fuse.deltas) stored += delta.is_stored ? delta.bytes_read.load() : 0;
  EXPECT_EQ(outcome.results.delta_bytes_read, stored);
  std::uint64_t shards = 0;
  for (const auto& shard : fuse.shards) shards += shard.size();
  EXPECT_GE(outcome.results.bytes_read, shards + stored);
}

TEST(CpuBackend, ReleasesEveryDeltaAfterItsLastRead) {
  for (const int threads : {1, 4}) {
    FuseFixture fuse;
    fill(fuse);
    fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
    fuse.run(threads);
    for (std::size_t i = 0; i < fuse.job.matrices.size(); ++i) {
      const auto& delta = *std::next(fuse.deltas.begin(), static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(delta.reads_after_release, 0) << "matrix " << i;
      EXPECT_TRUE(delta.released() || fuse.job.matrices[i].covered() == 0) << "matrix " << i;
    }
  }
}

TEST(CpuBackend, LeavesAMatrixWhoseDeltaIsZero) {
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    for (const ScfRole role : {kDown, kGate}) {
      FuseFixture fuse;
      fuse.add_shard();
      fuse.add_matrix({100, 90, 100, 90, kBf16, kBf16, role});
      test::MemoryDelta zero(kBf16, std::vector<std::byte>(100 * 90 * 2));
      fuse.job.matrices[0].delta = &zero;
      fuse.set_weight(0, 17, 0x8000);  // −0 keeps its sign
      fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F, .alpha_rule = rule};
      const auto outcome = fuse.run(2);
      const MatrixResult& result = outcome.results.matrices[0];
      EXPECT_TRUE(result.delta_is_zero);
      EXPECT_FALSE(result.sigma_delta.has_value());
      EXPECT_FALSE(result.alpha_dynamic.has_value());
      EXPECT_EQ(result.counts.moved + result.counts.changed + result.counts.clamped, 0U);
      EXPECT_EQ(outcome.results.shards[0].target_hash, outcome.results.shards[0].source_hash);
      EXPECT_GT(result.sums.weight2, 0);
      EXPECT_EQ(result.sums.weight2, result.sums.out2);
    }
  }
}

TEST(CpuBackend, KeepsNonFiniteElementsWhenAsked) {
  for (const AlphaRule rule : {AlphaRule::kSigmaRatio, AlphaRule::kPlain}) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({300, 200, 300, 150, kF16, kBf16, kDown});
    fuse.add_matrix({300, 200, 300, 200, kF16, kBf16, kDown});
    fuse.add_matrix({300, 200, 300, 200, kF16, kBf16, kGate});
    for (std::size_t matrix = 0; matrix < 3; ++matrix) {
      for (const std::uint64_t at : {0U, 1U, 149U, 8192U, 59'000U}) {
        fuse.set_weight(matrix, at, 0x7C01 + static_cast<std::uint32_t>(at % 7));
      }
      fuse.set_weight(matrix, 40'000, 0xFC00);
      fuse.set_weight(matrix, 40'001, 0x7BFF);  // the result may overflow
    }
    fuse.job.numbers = {.alpha = 3, .gamma = 0.5F, .alpha_rule = rule, .keep_nonfinite = true};
    expect_reference(fuse);
    EXPECT_GE(fuse.run(1).results.matrices[1].counts.nonfinite_kept, 6U);
  }
}

/// Two passes, and an edit in part, with plain copies around them.
void fill_simply(FuseFixture& fuse) {
  fuse.add_shard();
  fuse.add_bytes(600'000);
  fuse.add_matrix({900, 1000, 900, 1000, kBf16, kBf16, ScfRole::kDown});
  fuse.add_matrix({900, 1000, 900, 777, kBf16, kBf16, ScfRole::kDown});
  fuse.add_matrix({900, 1000, 900, 1000, kBf16, kBf16, ScfRole::kGate});
  fuse.add_bytes(3'000'000);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
}

TEST(FailingDelta, ComesOutWheneverItThrows) {
  FuseFixture fuse;
  fill_simply(fuse);
  for (const int threads : kThreads) {
    for (std::size_t matrix = 0; matrix < 3; ++matrix) {
      for (const int at : {0, 1, 3, 4, 6}) {
        for (auto& each : fuse.deltas) each.restart();
        auto& delta = *std::next(fuse.deltas.begin(), static_cast<std::ptrdiff_t>(matrix));
        std::atomic<bool> thrown = false;
        delta.on_read = [&](int number) {
          if (number != at) return;
          thrown = true;
          throw std::runtime_error("no delta today");
        };
        std::string message;
        test::expect_not_to_hang("a run whose delta fails", [&] {
          try {
            fuse.run(threads);
          } catch (const std::runtime_error& error) {
            message = error.what();
          }
        });
        EXPECT_EQ(message, thrown ? "no delta today" : "")
            << threads << " threads, matrix " << matrix << ", read " << at;
        EXPECT_TRUE(thrown || at > 3);
      }
    }
  }
}

TEST(Cancellation, EndsARunInTheMiddle) {
  for (const int threads : kThreads) {
    FuseFixture fuse;
    fill_simply(fuse);
    Cancellation cancellation;
    fuse.deltas.front().on_read = [&](int number) {
      if (number == 2) cancellation.request();
    };
    const Error error = test::failure_of(fuse, threads, {.cancellation = &cancellation});
    EXPECT_EQ(error.kind(), "interrupted") << threads;
    EXPECT_EQ(error.failure(), Failure::kFailed);
  }
}

TEST(Cancellation, EndsARunBeforeItBegins) {
  FuseFixture fuse;
  fill_simply(fuse);
  Cancellation cancellation;
  cancellation.request();
  EXPECT_EQ(test::failure_of(fuse, 4, {.cancellation = &cancellation}).kind(), "interrupted");
  EXPECT_EQ(fuse.deltas.front().bytes_read, 0U);
}

TEST(ShortSource, IsAnErrorNotAHang) {
  FuseFixture fuse;
  fill_simply(fuse);
  fuse.missing_bytes = 1;
  for (const int threads : {1, 8}) {
    const Error error = test::failure_of(fuse, threads);
    EXPECT_EQ(error.kind().substr(0, 3), "io-") << error.what();
  }
}

}  // namespace
}  // namespace contourfuse
