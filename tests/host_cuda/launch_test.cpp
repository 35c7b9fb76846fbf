// Launches: indices, orders, shared memory, and what is refused.
#include "host_cuda/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "host_cuda/device_runtime.hpp"
#include "support/error_of.hpp"

namespace contourfuse::host_cuda {
namespace {

CONTOURFUSE_KERNEL void index_kernel(std::uint32_t* out) {
  const std::uint32_t i = device::block_index() * device::block_threads() + device::thread_index();
  out[i] = i + 1000 * device::grid_blocks();
}

// The order in which threads first run; they take turns on one host thread.
CONTOURFUSE_KERNEL void order_kernel(std::vector<std::uint32_t>* order) {
  order->push_back(device::block_index() * device::block_threads() + device::thread_index());
}

CONTOURFUSE_KERNEL void garbage_kernel(double* out) {
  CONTOURFUSE_SHARED(double, slots, 32);
  out[device::block_index()] = slots[device::thread_index()];
  slots[device::thread_index()] = 1;
}

CONTOURFUSE_KERNEL void two_arrays_kernel(std::uint32_t* out) {
  CONTOURFUSE_SHARED(std::uint32_t, first, 32);
  CONTOURFUSE_SHARED(std::uint32_t, second, 32);
  const std::uint32_t t = device::thread_index();
  first[t] = t;
  second[t] = 100 + t;
  device::sync_block();
  out[t] = first[31 - t] + second[(t + 1) % 32];
}

CONTOURFUSE_KERNEL void too_much_shared_kernel() {
  CONTOURFUSE_SHARED(double, most, 6144);
  CONTOURFUSE_SHARED(char, more, 1);
  most[0] = more[0];
}

CONTOURFUSE_KERNEL void throwing_kernel() {
  if (device::thread_index() == 40) throw std::out_of_range("thread 40");
  device::sync_block();
}

// Counts itself as long as it lives in a thread.
struct Counted {
  explicit Counted(std::uint32_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::uint32_t& count_;
};

// The last thread of a block to run fails; the others wait at the barrier then.
CONTOURFUSE_KERNEL void failing_kernel(std::uint32_t* alive) {
  const Counted counted(*alive);
  if (*alive == device::block_threads()) throw std::out_of_range("the last thread");
  device::sync_block();
}

CONTOURFUSE_KERNEL void launching_kernel() { launch(throwing_kernel, 1, 1); }

std::vector<std::uint32_t> order_of(const LaunchOptions& options) {
  LaunchOptions unchecked = options;
  unchecked.check_races = false;
  std::vector<std::uint32_t> order;
  launch(unchecked, order_kernel, 3, 32, &order);
  return order;
}

TEST(Launch, EveryThreadKnowsItsPlace) {
  for (const LaunchOptions& options : every_order()) {
    std::vector<std::uint32_t> out(5 * 96, 0);
    launch(options, index_kernel, 5, 96, out.data());
    for (std::uint32_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], 5000 + i);
  }
}

TEST(Launch, RunsInTheOrderAskedFor) {
  std::vector<std::uint32_t> rising(96);
  std::iota(rising.begin(), rising.end(), 0U);
  const std::vector<std::uint32_t> falling(rising.rbegin(), rising.rend());
  EXPECT_EQ(order_of({.order = Order::kForward}), rising);
  EXPECT_EQ(order_of({.order = Order::kReverse}), falling);

  const std::vector<std::uint32_t> shuffled = order_of({.order = Order::kShuffled, .seed = 7});
  EXPECT_EQ(order_of({.order = Order::kShuffled, .seed = 7}), shuffled);
  EXPECT_NE(order_of({.order = Order::kShuffled, .seed = 8}), shuffled);
  EXPECT_NE(shuffled, rising);
  EXPECT_TRUE(std::is_permutation(shuffled.begin(), shuffled.end(), rising.begin()));
}

TEST(Launch, SharedArraysStartAsGarbageInEveryBlock) {
  std::vector<double> out(4, 0.0);
  launch(garbage_kernel, 4, 1, out.data());
  for (const double value : out) EXPECT_TRUE(std::isnan(value));
}

TEST(Launch, SharedArraysOfAKernelAreDistinct) {
  std::vector<std::uint32_t> out(32);
  launch(two_arrays_kernel, 1, 32, out.data());
  for (std::uint32_t t = 0; t < 32; ++t) EXPECT_EQ(out[t], 31 - t + 100 + (t + 1) % 32);
}

TEST(Launch, RefusesMoreSharedMemoryThanADeviceHas) {
  const Error error = test::error_of([] { launch(too_much_shared_kernel, 1, 1); });
  EXPECT_EQ(error.kind(), "shared-memory");
  EXPECT_THAT(error.what(), testing::HasSubstr("launch_test.cpp:"));
}

TEST(Launch, RefusesShapesThatADeviceRefuses) {
  std::vector<std::uint32_t> order;
  const auto kind = [](std::uint32_t blocks, std::uint32_t threads) {
    return test::error_of([&] { launch(throwing_kernel, blocks, threads); }).kind();
  };
  EXPECT_EQ(kind(0, 32), "bad-launch");
  EXPECT_EQ(kind(1, 0), "bad-launch");
  EXPECT_EQ(kind(1, 1025), "bad-launch");
  EXPECT_EQ(kind(0x80000000U, 32), "bad-launch");
  EXPECT_EQ(kind(1, 32), "none");
  EXPECT_EQ(test::error_of([] { launch(launching_kernel, 1, 1); }).kind(), "bad-launch");
}

TEST(Launch, PrimitivesOutsideAKernelAreErrors) {
  EXPECT_EQ(test::error_of([] { device::sync_block(); }).kind(), "outside-a-kernel");
  EXPECT_EQ(test::error_of([] { static_cast<void>(device::thread_index()); }).kind(),
            "outside-a-kernel");
}

TEST(Launch, PassesOnWhatAKernelThrows) {
  for (const LaunchOptions& options : every_order(2)) {
    EXPECT_THROW(launch(options, throwing_kernel, 1, 64), std::out_of_range);
  }
}

TEST(Launch, FailureUnwindsTheThreadsThatWait) {
  std::uint32_t alive = 0;
  EXPECT_THROW(launch({.check_races = false}, failing_kernel, 3, 64, &alive), std::out_of_range);
  EXPECT_EQ(alive, 0U);
}

#if defined(__SANITIZE_THREAD__)
TEST(Launch, RefusesGridsThatTheRaceCheckerCannotJudge) {
  EXPECT_EQ(test::error_of([] { launch(throwing_kernel, 65, 32); }).kind(), "bad-launch");
  EXPECT_NO_THROW(launch({.check_races = false}, throwing_kernel, 65, 32));
}
#endif

}  // namespace
}  // namespace contourfuse::host_cuda
