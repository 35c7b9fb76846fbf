// Races between CUDA threads: ThreadSanitizer must catch the planted ones, in whichever order the
// threads ran; the correct twins run in every build.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "host_cuda/launch.hpp"
#include "host_cuda/planted_kernels.hpp"

#if defined(__SANITIZE_THREAD__)
// A finding ends the child process in which a planted race runs, also without CTest's environment.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }
#endif

namespace contourfuse::host_cuda {
namespace {

using Kernel = void (*)(std::uint32_t*);

std::vector<std::uint32_t> run_checked(Kernel kernel, const LaunchOptions& options) {
  std::vector<std::uint32_t> out(kThreads, 0xDEAD);
  launch(options, kernel, 1, kThreads, out.data());
  return out;
}

template <Variant variant>
std::uint64_t run_race_in_global(const LaunchOptions& options, std::uint32_t blocks,
                                 std::uint32_t threads) {
  std::uint64_t total = 0;
  launch(options, race_in_global<variant>, blocks, threads, &total);
  return total;
}

TEST(PlantedRaces, CorrectTwinsPass) {
  for (const LaunchOptions& options : every_order(2)) {
    SCOPED_TRACE(describe(options));
    const auto shared = run_checked(race_in_shared<Variant::kCorrect>, options);
    const auto shuffled = run_checked(shuffle_for_barrier<Variant::kCorrect>, options);
    const auto rotated = run_checked(rotate_in_shared<Variant::kCorrect>, options);
    const auto between = run_checked(race_between_barriers<Variant::kCorrect>, options);
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      EXPECT_EQ(shared[t], 2 * t + 3);
      EXPECT_EQ(shuffled[t], t % 32 == 0 ? t : t - 1);
      EXPECT_EQ(rotated[t], (t + kThreads - 1) % kThreads);
      EXPECT_EQ(between[t], 7U);
    }
    EXPECT_EQ(run_race_in_global<Variant::kCorrect>(options, 3, kThreads), 3 * kThreads);
  }
}

#if defined(__SANITIZE_THREAD__)

void expect_race(Kernel kernel, const char* report) {
  for (const LaunchOptions& options : every_order(1)) {
    SCOPED_TRACE(describe(options));
    EXPECT_DEATH(run_checked(kernel, options), report);
  }
}

TEST(PlantedRacesDeathTest, MissingBarrier) {
  expect_race(rotate_in_shared<Variant::kPlanted>, "data race(.|\n)*rotate_in_shared");
}

TEST(PlantedRacesDeathTest, SlotWrittenWhileItIsRead) {
  expect_race(race_in_shared<Variant::kPlanted>, "data race(.|\n)*race_in_shared");
}

TEST(PlantedRacesDeathTest, ShuffleOrdersNoMemory) {
  expect_race(shuffle_for_barrier<Variant::kPlanted>, "data race(.|\n)*shuffle_for_barrier");
}

TEST(PlantedRacesDeathTest, ThreadOneBarrierAheadOfItsReader) {
  expect_race(race_between_barriers<Variant::kPlanted>, "data race(.|\n)*race_between_barriers");
}

TEST(PlantedRacesDeathTest, SumWithoutAnAtomic) {
  for (const LaunchOptions& options : every_order(1)) {
    SCOPED_TRACE(describe(options));
    EXPECT_DEATH(run_race_in_global<Variant::kPlanted>(options, 1, 2),
                 "data race(.|\n)*race_in_global");
    EXPECT_DEATH(run_race_in_global<Variant::kPlanted>(options, 2, 1),
                 "data race(.|\n)*race_in_global");
  }
}

#endif

}  // namespace
}  // namespace contourfuse::host_cuda
