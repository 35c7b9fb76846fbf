// Turns at a rate, by a clock that only sleeping moves.
#include "contourfuse/core/rate_limit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/execution.hpp"

namespace contourfuse {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = RateLimit::Time;

constexpr Time kStart = seconds(1000);

/// A limit whose sleeps take `late` longer than asked for.
struct Clock {
  std::atomic<Time::rep> now{kStart.count()};
  Time late{};
  std::atomic<Time::rep> longest{0};

  RateLimit limit(std::uint64_t rate) {
    return RateLimit(
        rate, [this] { return Time(now.load()); },
        [this](Time time) {
          longest = std::max(longest.load(), time.count());
          now += (time + late).count();
        });
  }
  [[nodiscard]] Time passed() const { return Time(now.load()) - kStart; }
};

TEST(RateLimit, TakesBytesOverRate) {
  Clock clock;
  RateLimit limit = clock.limit(1000);
  for (int i = 0; i < 101; ++i) limit.wait(100, nullptr);
  // The first turn is at once; the credit is that of the time before.
  EXPECT_EQ(clock.passed(), seconds(10) - RateLimit::kCredit);
}

TEST(RateLimit, DoesNotDriftWhenSleepsAreLate) {
  Clock clock;
  clock.late = milliseconds(27);
  RateLimit limit = clock.limit(1'000'000);
  for (int i = 0; i < 1000; ++i) limit.wait(10'000, nullptr);
  EXPECT_GE(clock.passed(), seconds(10) - RateLimit::kCredit - milliseconds(10));
  EXPECT_LE(clock.passed(), seconds(10) + clock.late);
}

TEST(RateLimit, KeepsNoMoreThanItsCreditOfIdleTime) {
  Clock clock;
  RateLimit limit = clock.limit(1000);
  limit.wait(1, nullptr);
  clock.now += Time(seconds(60)).count();
  const Time before = clock.passed();
  for (int i = 0; i < 11; ++i) limit.wait(100, nullptr);
  EXPECT_EQ(clock.passed() - before, seconds(1) - RateLimit::kCredit);
}

TEST(RateLimit, ServesThreadsTogetherAtItsRate) {
  Clock clock;
  RateLimit limit = clock.limit(1000);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&limit] {
      for (int n = 0; n < 100; ++n) limit.wait(10, nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Threads that sleep together move the clock together: no turn comes before its time.
  EXPECT_GE(clock.passed(), seconds(4) - milliseconds(10) - RateLimit::kCredit);
}

TEST(RateLimit, IsCancelledBetweenShortSleeps) {
  Clock clock;
  Cancellation cancellation;
  RateLimit limit(
      1, [&] { return Time(clock.now.load()); },
      [&](Time time) {
        EXPECT_LE(time, RateLimit::kStep);
        clock.now += time.count();
        if (clock.passed() >= seconds(2)) cancellation.request();
      });
  limit.wait(1000, &cancellation);
  std::string kind;
  try {
    limit.wait(1, &cancellation);
  } catch (const Error& error) {
    kind = error.kind();
  }
  EXPECT_EQ(kind, "interrupted");
  EXPECT_LE(clock.passed(), seconds(2) + RateLimit::kStep);
}

TEST(RateLimit, NeverOverflows) {
  Clock clock;
  RateLimit limit = clock.limit(1);
  Cancellation cancellation;
  cancellation.request();
  limit.wait(std::numeric_limits<std::uint64_t>::max(), nullptr);
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(limit.wait(std::numeric_limits<std::uint64_t>::max(), &cancellation), Error);
  }
}

TEST(Execution, PacesOnlyUnderALimit) {
  Execution execution;
  execution.pace(std::numeric_limits<std::uint64_t>::max());
  Clock clock;
  RateLimit limit = clock.limit(1000);
  execution.rate = &limit;
  execution.pace(1100);
  execution.pace(1);
  EXPECT_EQ(clock.passed(), seconds(1));
}

}  // namespace
}  // namespace contourfuse
