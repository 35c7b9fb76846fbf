// Deltas made by the kernels against those that neuron's generator makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "backend/cpu/reference.hpp"
#include "cuda_kernels/effort.hpp"
#include "cuda_kernels/generator_cases.hpp"
#include "cuda_kernels/kernel_run.hpp"
#include "cuda_kernels/placed_elements.hpp"

namespace contourfuse::test {
namespace {

/// Elements that one launch may make.
constexpr std::uint64_t kMostElements = 8 * kMostThreads;

void expect_elements(const LayerGenerator& generator, Role role, std::uint64_t first,
                     std::span<const std::uint16_t> expected, std::size_t shift,
                     const device::LaunchPolicy& policy = kOneWarp,
                     const host_cuda::LaunchOptions& options = kForward) {
  PlacedElements out(DType::kBF16, std::vector<std::byte>(expected.size_bytes(), std::byte{0x5A}),
                     shift);
  run_kernel(generate_call(generator, role, first, expected.size(), out.data()), policy, options);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(load(DType::kBF16, out.data() + 2 * i), expected[i])
        << to_string(role) << " [" << first << ", +" << expected.size() << "), shift " << shift
        << ": element " << i;
  }
  ASSERT_TRUE(out.guards_are_whole()) << to_string(role) << " " << first << " " << expected.size();
}

TEST(GenerateKernels, WholeMatrices) {
  for (const GeneratorCase& c : generator_cases()) {
    const LayerGenerator generator(c.recipe, c.layer);
    for (const Role role : kRoles) {
      const std::vector<std::uint16_t> whole = whole_matrix(generator, role);
      const std::span<const std::uint16_t> all(whole);
      for (std::size_t first = 0; first < all.size(); first += kMostElements) {
        if (kRaceChecked && first > 0) break;
        const std::size_t here = std::min<std::size_t>(kMostElements, all.size() - first);
        expect_elements(generator, role, first, all.subspan(first, here), 0);
      }
    }
  }
}

TEST(GenerateKernels, EveryStartCountAndPlace) {
  for (const GeneratorCase& c : generator_cases()) {
    const LayerGenerator generator(c.recipe, c.layer);
    for (const Role role : kRoles) {
      const std::vector<std::uint16_t> whole = whole_matrix(generator, role);
      const std::span<const std::uint16_t> all(whole);
      const std::size_t cols = generator.cols(role);
      // The first row, where rows meet, where bases meet or cells end, and the end.
      const std::size_t starts[] = {0,
                                    1,
                                    cols - 3,
                                    2 * cols - std::min<std::size_t>(2 * cols, 17),
                                    all.size() / 2 + 5,
                                    all.size()};
      std::size_t n = 0;
      for (const std::size_t start : starts) {
        for (std::size_t count = 1; count <= std::min<std::size_t>(41, all.size()); ++count) {
          if (++n % one_of(3, 40) != 0) continue;
          const std::size_t first = std::min(start + n % 5, all.size() - count);
          expect_elements(generator, role, first, all.subspan(first, count), n % 8);
        }
      }
    }
  }
}

TEST(GenerateKernels, EveryOrderAndBlockSize) {
  const GeneratorCase c = generator_cases().front();
  const LayerGenerator generator(c.recipe, c.layer);
  for (const Role role : kRoles) {
    const std::vector<std::uint16_t> whole = whole_matrix(generator, role);
    for (const host_cuda::LaunchOptions& options : host_cuda::every_order(kRaceChecked ? 1 : 4)) {
      for (const std::uint32_t threads : {32U, 256U}) {
        expect_elements(generator, role, 0, std::span(whole).first(5003), 0, {.generate = threads},
                        options);
      }
    }
  }
}

}  // namespace
}  // namespace contourfuse::test
