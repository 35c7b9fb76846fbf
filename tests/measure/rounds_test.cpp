// Cases by turns, and what their times come to.
#include "contourfuse/measure/rounds.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

TEST(Rounds, PrepareAndRunEveryCaseInTurnAfterOneForTheCaches) {
  std::string done;
  const auto note = [&done](char what) { return [&done, what] { done += what; }; };
  const std::vector<TimedCase> cases = {{"a", 1, note('p'), note('A')},
                                        {"b", 1, note('q'), note('B')}};
  const std::vector<CaseTimes> times = alternate(cases, 2, {});
  EXPECT_EQ(done, "pAqBpAqBpAqB");
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(times[0].seconds.size(), 2U);
  EXPECT_EQ(times[1].seconds.size(), 2U);
}

TEST(Rounds, TimeTheRunAndNotItsPreparation) {
  const auto sleep = [](int ms) {
    return [ms] { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
  };
  const auto times = alternate({{"a", 1, sleep(200), sleep(20)}}, 1, {});
  EXPECT_GE(times[0].seconds[0], 0.020);
  EXPECT_LT(times[0].seconds[0], 0.200);
}

TEST(Rounds, CanBeCancelled) {
  Cancellation cancellation;
  int runs = 0;
  const std::vector<TimedCase> cases = {{"a", 1, [] {},
                                         [&] {
                                           if (++runs == 2) cancellation.request();
                                         }}};
  EXPECT_THROW(static_cast<void>(alternate(cases, 5, {.cancellation = &cancellation})), Error);
  EXPECT_EQ(runs, 2);
}

TEST(Median, IsOfTheMiddle) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 4}), 4);
  EXPECT_EQ(median({8, 1, 4, 2}), 3);
}

TEST(TimesOf, IsTheMedianOfEachRoundsRatio) {
  // The median of the ratios 2, 3, 1 is not the ratio of the medians.
  EXPECT_EQ(times_of({{2, 30, 4}, 0}, {{1, 10, 4}, 0}), 2);
}

TEST(Fastest, IsByTheMedian) {
  const std::vector<CaseTimes> times = {{{1, 9, 9}, 0}, {{5, 5, 5}, 0}, {{7, 7, 1}, 0}};
  EXPECT_EQ(fastest(times, {0, 1, 2}), 1U);
  EXPECT_EQ(fastest(times, {0, 2}), 2U);
}

}  // namespace
}  // namespace contourfuse
