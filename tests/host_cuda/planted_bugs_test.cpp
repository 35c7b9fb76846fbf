// Mistakes that every build must catch: those that leave threads waiting, and those that a result
// depends on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "host_cuda/launch.hpp"
#include "host_cuda/planted_kernels.hpp"
#include "support/error_of.hpp"

namespace contourfuse::host_cuda {
namespace {

using Kernel = void (*)(std::uint32_t*);

std::vector<std::uint32_t> run(Kernel kernel, LaunchOptions options = {}) {
  std::vector<std::uint32_t> out(kThreads, 0xDEAD);
  launch(options, kernel, 1, kThreads, out.data());
  return out;
}

// Both variants in every order: the planted one must be an Error of that kind, naming a line of
// the kernels, the block, the thread and the order.
void expect_caught(Kernel correct, Kernel planted, const char* kind) {
  for (const LaunchOptions& options : every_order()) {
    SCOPED_TRACE(describe(options));
    EXPECT_NO_THROW(run(correct, options));
    const Error error = test::error_of([&] { run(planted, options); });
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), testing::ContainsRegex("planted_kernels.hpp:[0-9]+"));
    EXPECT_THAT(error.what(), testing::ContainsRegex("block 0, thread [0-9]+"));
    EXPECT_THAT(error.what(), testing::HasSubstr(describe(options)));
  }
}

TEST(PlantedBugs, WarpsAtDifferentBarriers) {
  expect_caught(branch_around_barrier<Variant::kCorrect>, branch_around_barrier<Variant::kPlanted>,
                "barrier-divergence");
}

TEST(PlantedBugs, ThreadGoneBeforeABarrier) {
  expect_caught(return_before_barrier<Variant::kCorrect>, return_before_barrier<Variant::kPlanted>,
                "barrier-after-exit");
}

TEST(PlantedBugs, LanesGoneBeforeAShuffle) {
  expect_caught(return_before_shuffle<Variant::kCorrect>, return_before_shuffle<Variant::kPlanted>,
                "lane-exited");
}

TEST(PlantedBugs, LanesAtDifferentWarpOperations) {
  expect_caught(branch_around_shuffle<Variant::kCorrect>, branch_around_shuffle<Variant::kPlanted>,
                "warp-divergence");
}

TEST(PlantedBugs, WarpAndBlockWaitForEachOther) {
  expect_caught(shuffle_against_barrier<Variant::kCorrect>,
                shuffle_against_barrier<Variant::kPlanted>, "kernel-deadlock");
}

// In a ThreadSanitizer build the same mistake is a race (planted_races_test.cpp), which ends the
// process; here its effect on the value is what must show.
TEST(PlantedBugs, MissingBarrierShowsInTheResultOfSomeOrder) {
  std::vector<std::uint32_t> expected(kThreads);
  for (std::uint32_t t = 0; t < kThreads; ++t) expected[t] = (t + kThreads - 1) % kThreads;

  std::size_t wrong_shuffles = 0;
  for (LaunchOptions options : every_order()) {
    SCOPED_TRACE(describe(options));
    EXPECT_EQ(run(rotate_in_shared<Variant::kCorrect>, options), expected);
    options.check_races = false;
    const bool right = run(rotate_in_shared<Variant::kPlanted>, options) == expected;
    if (options.order == Order::kShuffled && !right) ++wrong_shuffles;
  }
  EXPECT_EQ(wrong_shuffles, 4U);
}

}  // namespace
}  // namespace contourfuse::host_cuda
