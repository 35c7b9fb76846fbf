// Moments of every block: the kernel's against the CPU's, bit for bit.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "cuda_kernels/cpu_kernels.hpp"
#include "cuda_kernels/effort.hpp"
#include "cuda_kernels/kernel_run.hpp"
#include "cuda_kernels/placed_elements.hpp"

namespace contourfuse::test {
namespace {

std::vector<std::size_t> counts() {
  std::vector<std::size_t> all;
  for (std::size_t count = 1; count < 16; ++count) all.push_back(count);
  all.insert(all.end(), {255, 256, 257, 8191});
  for (const std::size_t blocks : {1U, 2U, 5U}) {
    for (std::size_t tail = 0; tail < 16; ++tail) all.push_back(blocks * kBlockElements + tail);
  }
  return all;
}

void expect_moments(DType dtype, const std::vector<std::byte>& elements, std::size_t shift,
                    const device::LaunchPolicy& policy = kOneWarp,
                    const host_cuda::LaunchOptions& options = kForward) {
  const std::size_t count = elements.size() / editable_bytes(dtype);
  const std::vector<BlockMoments> expected = cpu_moments(dtype, elements);
  PlacedElements placed(dtype, elements, shift);
  std::vector<BlockMoments> got(expected.size());
  run_kernel(
      device::MomentsCall{
          .dtype = dtype, .elements = placed.data(), .count = count, .blocks = got.data()},
      policy, options);
  for (std::size_t b = 0; b < expected.size(); ++b) {
    ASSERT_TRUE(same_moments(got[b], expected[b]))
        << dtype_name(dtype) << ", " << count << " elements, shift " << shift << ", block " << b
        << ": " << got[b].moments.sum << " " << got[b].moments.sum_squares << " " << got[b].finite
        << " " << got[b].smallest << " " << got[b].largest << " instead of "
        << expected[b].moments.sum << " " << expected[b].moments.sum_squares << " "
        << expected[b].finite << " " << expected[b].smallest << " " << expected[b].largest;
  }
}

TEST(MomentsKernel, EveryCountAndTail) {
  unsigned seed = 0;
  for (const DType dtype : kEditable) {
    const std::size_t shifts = 16 / editable_bytes(dtype);
    for (const std::size_t count : counts()) {
      ++seed;
      if (seed % one_of(3, 13) != 0) continue;
      for (const bool nonfinite : {false, true}) {
        expect_moments(dtype, mixed_elements(dtype, count, seed, nonfinite), seed % shifts);
      }
    }
  }
}

TEST(MomentsKernel, EveryStartInAPacket) {
  for (const DType dtype : kEditable) {
    for (std::size_t shift = 0; shift < 16 / editable_bytes(dtype); ++shift) {
      if (kRaceChecked && shift % 7 > 1) continue;
      for (const std::size_t count : {7U, 8U, 9U, 17U, 8192U + 5U}) {
        expect_moments(dtype, mixed_elements(dtype, count, 77, true), shift);
      }
    }
  }
}

TEST(MomentsKernel, BlocksOfNothingFinite) {
  for (const DType dtype : kEditable) {
    const std::size_t bytes = editable_bytes(dtype);
    std::vector<std::byte> elements = mixed_elements(dtype, 2 * kBlockElements + 3, 5, true);
    for (std::size_t i = 0; i < kBlockElements; ++i) {
      store(dtype, elements.data() + i * bytes, narrow(dtype, HUGE_VALF, {}));
    }
    for (std::size_t i = 2 * kBlockElements; i < 2 * kBlockElements + 3; ++i) {
      store(dtype, elements.data() + i * bytes, narrow(dtype, -HUGE_VALF, {}));
    }
    expect_moments(dtype, elements, 0);
  }
}

TEST(MomentsKernel, ExtremesOfOneSign) {
  for (const DType dtype : kEditable) {
    const std::size_t bytes = editable_bytes(dtype);
    for (const float sign : {1.0F, -1.0F}) {
      std::vector<std::byte> elements(100 * bytes);
      for (std::size_t i = 0; i < 100; ++i) {
        const float value = sign * (1.0F + static_cast<float>(i * 37 % 100) / 64);
        store(dtype, elements.data() + i * bytes, narrow(dtype, value, {}));
      }
      expect_moments(dtype, elements, 1);
    }
  }
}

TEST(MomentsKernel, EveryOrderAndBlockSize) {
  const std::vector<std::byte> elements =
      mixed_elements(DType::kBF16, (kRaceChecked ? 1 : 9) * kBlockElements + 11, 6, true);
  for (const host_cuda::LaunchOptions& options : host_cuda::every_order(kRaceChecked ? 1 : 4)) {
    SCOPED_TRACE(host_cuda::describe(options));
    for (const std::uint32_t threads : {32U, 128U, 256U}) {
      expect_moments(DType::kBF16, elements, 0, {.moments = threads}, options);
    }
  }
}

}  // namespace
}  // namespace contourfuse::test
