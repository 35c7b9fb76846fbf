// Runs that fail: the reason comes out, whatever the number of threads, and nothing hangs.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "backend/cpu/fuse_fixture.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

using test::FuseFixture;

constexpr DType kBf16 = DType::kBF16;
constexpr int kThreads[] = {1, 2, 3, 8, 32};

/// The error that a run ends with.
Error failure_of(FuseFixture& fuse, int threads, Execution execution = {}) {
  std::optional<Error> caught;
  test::expect_not_to_hang("a failing run", [&] {
    try {
      fuse.run(threads, true, execution);
    } catch (const Error& error) {
      caught = error;
    }
  });
  return caught.value_or(Error(Failure::kFailed, "none", "the run did not fail"));
}

void fill(FuseFixture& fuse) {
  fuse.add_shard();
  fuse.add_bytes(600'000);
  fuse.add_matrix({900, 1000, 900, 1000, kBf16, kBf16, ScfRole::kDown});
  fuse.add_matrix({900, 1000, 900, 777, kBf16, kBf16, ScfRole::kDown});
  fuse.add_matrix({900, 1000, 900, 1000, kBf16, kBf16, ScfRole::kGate});
  fuse.add_bytes(3'000'000);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
}

TEST(FailingDelta, ComesOutWheneverItThrows) {
  for (const int threads : kThreads) {
    for (std::size_t matrix = 0; matrix < 3; ++matrix) {
      for (const int at : {0, 1, 3, 4, 6}) {
        FuseFixture fuse;
        fill(fuse);
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
    fill(fuse);
    Cancellation cancellation;
    fuse.deltas.front().on_read = [&](int number) {
      if (number == 2) cancellation.request();
    };
    const Error error = failure_of(fuse, threads, {.cancellation = &cancellation});
    EXPECT_EQ(error.kind(), "interrupted") << threads;
    EXPECT_EQ(error.failure(), Failure::kFailed);
  }
}

TEST(Cancellation, EndsARunBeforeItBegins) {
  FuseFixture fuse;
  fill(fuse);
  Cancellation cancellation;
  cancellation.request();
  EXPECT_EQ(failure_of(fuse, 4, {.cancellation = &cancellation}).kind(), "interrupted");
  EXPECT_EQ(fuse.deltas.front().bytes_read, 0U);
}

TEST(NonFinite, NamesTheFirstElement) {
  for (const int threads : kThreads) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_bytes(11);
    fuse.add_matrix({30, 6171, 30, 6171, kBf16, kBf16, ScfRole::kGate});
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
  for (const int threads : kThreads) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({900, 1000, 800, 900, kBf16, kBf16, ScfRole::kDown});
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
  fuse.add_matrix({2, 4, 2, 4, DType::kF16, kBf16, ScfRole::kGate});
  fuse.job.numbers = {.gamma = 0.5F};
  std::vector<std::byte> elements(16);
  test::store(kBf16, elements.data() + 2 * 6, 0x7F80);  // clamped to γ, and yet refused
  const test::MemoryDelta infinite(kBf16, elements);
  fuse.job.matrices[0].delta = &infinite;
  EXPECT_NE(failure_of(fuse, 2).message().find("1 element is"), std::string::npos);
  EXPECT_NE(failure_of(fuse, 2).message().find("element 6 (row 1, column 2)"), std::string::npos);
  test::store(kBf16, elements.data() + 2 * 6, 0x3F80);
  const test::MemoryDelta large(kBf16, elements);
  fuse.job.matrices[0].delta = &large;
  fuse.set_weight(0, 6, 0x7BFF);  // 65504 · 1.5 is past f16
  EXPECT_NE(failure_of(fuse, 2).message().find("element 6 (row 1, column 2)"), std::string::npos);
}

TEST(NoSpread, FailsUnderANormAndNotWithout) {
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({20, 30, 20, 30, kBf16, kBf16, ScfRole::kDown});
    std::vector<std::byte> elements(20 * 30 * 2);
    for (std::size_t i = 0; i < 600; ++i) test::store(kBf16, elements.data() + 2 * i, 0x3F00);
    const test::MemoryDelta equal(kBf16, elements);
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

TEST(ShortSource, IsAnErrorNotAHang) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.matrices[2].rows += 10'000;  // past the end of the file
  for (const int threads : {1, 8}) {
    const Error error = failure_of(fuse, threads);
    EXPECT_EQ(error.kind().substr(0, 3), "io-") << error.what();
  }
}

}  // namespace
}  // namespace contourfuse
