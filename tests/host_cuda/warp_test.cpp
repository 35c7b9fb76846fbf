// Warp operations against what CUDA defines, for each type and every lane.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "host_cuda/device_runtime.hpp"
#include "host_cuda/launch.hpp"
#include "support/error_of.hpp"

namespace contourfuse::host_cuda {
namespace {

constexpr std::uint32_t kTwoWarps = 64;

template <class Type>
Type value_of(std::uint32_t thread) {
  // Not representable in a smaller type, so that lost bits show.
  return std::numeric_limits<Type>::max() / static_cast<Type>(thread + 3);
}

template <class Type>
CONTOURFUSE_KERNEL void shuffle_down_kernel(Type* out, std::uint32_t delta) {
  const std::uint32_t t = device::thread_index();
  out[t] = device::shuffle_down(value_of<Type>(t), delta);
}

template <class Type>
CONTOURFUSE_KERNEL void shuffle_from_kernel(Type* out, std::uint32_t lane) {
  const std::uint32_t t = device::thread_index();
  out[t] = device::shuffle_from(value_of<Type>(t), lane + t);
}

CONTOURFUSE_KERNEL void ballot_kernel(std::uint32_t* out) {
  const std::uint32_t t = device::thread_index();
  out[t] = device::ballot(t % 3 == 0);
}

CONTOURFUSE_KERNEL void repeated_shuffle_kernel(std::uint32_t* out) {
  std::uint32_t value = device::thread_index() % 32;
  for (int i = 0; i < 100; ++i) value = device::shuffle_from(value, value + 1);
  out[device::thread_index()] = value;
}

template <class Type>
class WarpShuffle : public testing::Test {};

using ShuffledTypes = testing::Types<double, float, std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(WarpShuffle, ShuffledTypes);

TYPED_TEST(WarpShuffle, DownKeepsTheOwnValuePastTheWarp) {
  for (const std::uint32_t delta : {0U, 1U, 16U, 31U, 32U, 0xFFFFFFFFU}) {
    for (const LaunchOptions& options : every_order(1)) {
      std::vector<TypeParam> out(kTwoWarps);
      launch(options, shuffle_down_kernel<TypeParam>, 1, kTwoWarps, out.data(), delta);
      for (std::uint32_t t = 0; t < kTwoWarps; ++t) {
        const bool inside = std::uint64_t{t % 32} + delta < 32;
        EXPECT_EQ(out[t], value_of<TypeParam>(inside ? t + delta : t)) << describe(options);
      }
    }
  }
}

TYPED_TEST(WarpShuffle, FromCountsLanesModulo32) {
  for (const std::uint32_t lane : {0U, 5U, 31U}) {
    std::vector<TypeParam> out(kTwoWarps);
    launch(shuffle_from_kernel<TypeParam>, 1, kTwoWarps, out.data(), lane);
    for (std::uint32_t t = 0; t < kTwoWarps; ++t) {
      EXPECT_EQ(out[t], value_of<TypeParam>(t / 32 * 32 + (t + lane) % 32));
    }
  }
}

TEST(Warp, BallotHasABitPerLane) {
  std::vector<std::uint32_t> out(kTwoWarps);
  launch(ballot_kernel, 1, kTwoWarps, out.data());
  for (std::uint32_t t = 0; t < kTwoWarps; ++t) {
    EXPECT_EQ(out[t], t < 32 ? 0x49249249U : 0x92492492U);
  }
}

TEST(Warp, LanesMeetAsOftenAsTheyShuffle) {
  for (const LaunchOptions& options : every_order()) {
    std::vector<std::uint32_t> out(kTwoWarps);
    launch(options, repeated_shuffle_kernel, 1, kTwoWarps, out.data());
    // value + 1 of lane value: the values double their distance each time, modulo 32.
    std::vector<std::uint32_t> values(32);
    for (std::uint32_t lane = 0; lane < 32; ++lane) values[lane] = lane;
    for (int i = 0; i < 100; ++i) {
      std::vector<std::uint32_t> next(32);
      for (std::uint32_t lane = 0; lane < 32; ++lane) {
        next[lane] = values[(values[lane] + 1) % 32];
      }
      values = next;
    }
    for (std::uint32_t t = 0; t < kTwoWarps; ++t) EXPECT_EQ(out[t], values[t % 32]);
  }
}

TEST(Warp, OperationsWantAFullWarp) {
  std::vector<std::uint32_t> out(40);
  const Error error = test::error_of([&] { launch(ballot_kernel, 1, 40, out.data()); });
  EXPECT_EQ(error.kind(), "lane-missing");
}

}  // namespace
}  // namespace contourfuse::host_cuda
