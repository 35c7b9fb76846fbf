// Pieces pass in the order of their tickets; a failed run wakes everyone.
#include "contourfuse/io/turnstile.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

namespace contourfuse {
namespace {

TEST(Turnstile, LetsTicketsPassInOrder) {
  Turnstile turnstile;
  std::vector<int> passed;
  std::vector<std::thread> threads;
  for (int ticket = 15; ticket >= 0; --ticket) {
    threads.emplace_back([&turnstile, &passed, ticket] {
      turnstile.enter(static_cast<std::uint64_t>(ticket), [&] { passed.push_back(ticket); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int> expected(16);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(passed, expected);
}

TEST(Turnstile, WakesThoseWhoWaitWhenAbandoned) {
  Turnstile turnstile;
  std::atomic<int> abandoned = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t ticket = 1; ticket < 5; ++ticket) {
    threads.emplace_back([&turnstile, &abandoned, ticket] {
      try {
        turnstile.enter(ticket, [] { ADD_FAILURE() << "passed"; });
      } catch (const Abandoned&) {
        ++abandoned;
      }
    });
  }
  turnstile.abandon();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(abandoned, 4);
  EXPECT_THROW(turnstile.enter(0, [] {}), Abandoned);
}

}  // namespace
}  // namespace contourfuse
