// Element numbers past 2^32, without the memory of so many elements: the last block of a grid
// alone, in memory of which only its pages exist.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "contourfuse/io/hash.hpp"
#include "contourfuse/numeric/delta_element.hpp"
#include "cuda_kernels/cpu_kernels.hpp"
#include "cuda_kernels/effort.hpp"
#include "cuda_kernels/generator_cases.hpp"
#include "cuda_kernels/kernel_run.hpp"
#include "cuda_kernels/one_block.hpp"
#include "kernels/elements.cuh"
#include "launch/launch_policy.hpp"

namespace contourfuse::test {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kFourGi = std::uint64_t{1} << 32;
/// Of the layers that are generated: an entry plus a step fits 32 bits.
constexpr std::uint64_t kMostHidden = std::uint64_t{1} << 20;

/// Zeros of any number; a page exists once it is written.
class SparseMemory {
 public:
  explicit SparseMemory(std::uint64_t bytes)
      : bytes_(bytes),
        memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  SparseMemory(const SparseMemory&) = delete;
  SparseMemory& operator=(const SparseMemory&) = delete;
  ~SparseMemory() {
    if (exists()) munmap(memory_, bytes_);
  }
  [[nodiscard]] bool exists() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_); }

 private:
  std::uint64_t bytes_;
  void* memory_;
};

struct WarpNumbers {
  std::uint64_t number = 0;
  std::uint64_t first = 0;
  std::uint32_t elements = 0;
  std::uint32_t place = 0;  ///< in row 31
  std::uint32_t here = 0;
};

CONTOURFUSE_KERNEL void warp_numbers_kernel(std::uint64_t count, WarpNumbers* threads) {
  const device::WarpBlock block(count);
  const std::uint32_t place = block.place(31);
  threads[device::thread_index()] = {block.number, block.first, block.elements, place,
                                     block.here(place)};
}

TEST(LargeIndices, BlocksOfWarps) {
  constexpr std::uint32_t kThreads = 64;
  for (const std::uint64_t blocks : {kFourGi / kBlockElements, kFourGi / 4, kFourGi - 2}) {
    for (const std::uint32_t last : {1U, 7000U, 7940U, 7941U, 7948U, 8192U}) {
      const std::uint64_t count = (blocks - 1) * kBlockElements + last;
      const std::uint64_t grid = device::blocks_of_warps(count, kThreads);
      ASSERT_EQ(grid, (blocks + 1) / 2);
      std::vector<WarpNumbers> threads(kThreads);
      const auto blocks_in_grid = static_cast<std::uint32_t>(grid);
      run_one_block(warp_numbers_kernel, blocks_in_grid, kThreads, blocks_in_grid - 1, count,
                    threads.data());
      for (std::uint32_t t = 0; t < kThreads; ++t) {
        const std::uint64_t number = blocks - 2 + t / 32;
        EXPECT_EQ(threads[t].number, number);
        EXPECT_EQ(threads[t].first, number * kBlockElements);
        const std::uint32_t elements = number == blocks - 1 ? last : 8192;
        EXPECT_EQ(threads[t].elements, elements);
        EXPECT_EQ(threads[t].place, 31 * 256 + t % 32 * 8);
        const std::uint32_t place = threads[t].place;
        EXPECT_EQ(threads[t].here, std::min(8U, elements - std::min(elements, place)));
      }
    }
  }
}

TEST(LargeIndices, NoBlockPastTheLast) {
  std::vector<WarpNumbers> threads(128);
  const std::uint64_t count = kFourGi + 1;
  const auto grid = static_cast<std::uint32_t>(device::blocks_of_warps(count, 128));
  run_one_block(warp_numbers_kernel, grid, 128, grid - 1, count, threads.data());
  EXPECT_EQ(threads[0].elements, 1U);
  for (std::uint32_t t = 32; t < 128; ++t) {
    EXPECT_EQ(threads[t].elements, 0U);
    EXPECT_EQ(threads[t].here, 0U);
  }
}

TEST(LargeIndices, GridsOfThreads) {
  EXPECT_EQ(device::blocks_of_threads(8 * kFourGi + 1, 8), kFourGi + 1);
  EXPECT_EQ(device::blocks_of_threads(0, 8), 0U);
  EXPECT_EQ(device::blocks_of_warps(std::uint64_t{1} << 44, 32), std::uint64_t{1} << 31);
  EXPECT_EQ(device::blocks_of_warps((std::uint64_t{1} << 44) + 1, 256),
            (std::uint64_t{1} << 28) + 1);
}

TEST(LargeIndices, CoveredRanges) {
  for (const std::uint64_t covered_cols : {std::uint64_t{1}, std::uint64_t{21504}, kFourGi + 3}) {
    for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{5}, kFourGi}) {
      const device::CoveredRange range{.covered_cols = covered_cols, .cols = covered_cols + more};
      for (const std::uint64_t element :
           {std::uint64_t{7}, kFourGi - 1, kFourGi, kFourGi + 4097, (kFourGi << 2) + 21503}) {
        const Wide row = Wide{element} / covered_cols;
        const Wide index = row * (covered_cols + more) + Wide{element} % covered_cols;
        if (index >> 64 != 0) continue;  // no matrix has so many
        EXPECT_EQ(range.index(element), static_cast<std::uint64_t>(index));
      }
    }
  }
}

TEST(LargeIndices, FrameEntries) {
  for (const std::uint64_t hidden : {5376ULL, 1048573ULL, 1073741823ULL}) {
    const auto period = static_cast<std::uint32_t>(4 * hidden);
    for (const std::uint64_t element : {std::uint64_t{0}, hidden / 3, hidden - 1}) {
      for (const std::uint64_t frame : {std::uint64_t{1}, hidden / 2 + 1, hidden - 1}) {
        const Wide expected = (2 * Wide{element} + 1) * frame % period;
        EXPECT_EQ(frame_entry(element, frame, period), static_cast<std::uint64_t>(expected));
        if (hidden > kMostHidden) continue;
        const auto step = static_cast<std::uint32_t>(2 * frame % period);
        const Wide next = (2 * Wide{element} + 3) * frame % period;
        EXPECT_EQ(next_entry(static_cast<std::uint32_t>(expected), step, period),
                  static_cast<std::uint64_t>(next));
      }
    }
  }
}

TEST(LargeIndices, MomentsOfTheLastBlock) {
  if (kRaceChecked) GTEST_SKIP() << "the race checker would keep shadows of all that memory";
  const std::uint64_t first = kFourGi + kBlockElements;
  const std::vector<std::byte> elements = mixed_elements(DType::kBF16, 777, 1, true);
  const SparseMemory memory(2 * first + elements.size());
  const SparseMemory blocks((first / kBlockElements + 1) * sizeof(BlockMoments));
  if (!memory.exists() || !blocks.exists()) GTEST_SKIP() << "no addresses for that many elements";
  std::memcpy(memory.data() + 2 * first, elements.data(), elements.size());
  auto* results = static_cast<BlockMoments*>(static_cast<void*>(blocks.data()));
  run_last_block(
      device::MomentsCall{.elements = memory.data(), .count = first + 777, .blocks = results});
  const BlockMoments& got = results[first / kBlockElements];
  EXPECT_GT(got.finite, 0U);
  EXPECT_TRUE(same_moments(got, cpu_moments(DType::kBF16, elements).at(0)));
}

TEST(LargeIndices, ScfOfTheLastBlock) {
  if (kRaceChecked) GTEST_SKIP() << "the race checker would keep shadows of all that memory";
  const std::uint64_t first = kFourGi + kBlockElements;
  const std::uint64_t count = 4001;
  for (const std::uint64_t cols : {500U, 503U}) {
    const Edit edit{
        .parameter = 0.7F, .stochastic = true, .seed = 11, .tensor_hash = xxh3_64(kTensorName)};
    const Scaling scaling{.parameter = edit.parameter};
    std::vector<std::byte> weight = mixed_elements(DType::kBF16, count, 1, true);
    const std::vector<std::byte> delta = mixed_elements(DType::kBF16, count, 2, true);
    const SparseMemory weights(2 * first + weight.size());
    const SparseMemory deltas(2 * first + delta.size());
    const SparseMemory records((first / kBlockElements + 1) * sizeof(Record));
    if (!weights.exists() || !deltas.exists() || !records.exists()) {
      GTEST_SKIP() << "no addresses for that many elements";
    }
    std::memcpy(weights.data() + 2 * first, weight.data(), weight.size());
    std::memcpy(deltas.data() + 2 * first, delta.data(), delta.size());
    auto* results = static_cast<Record*>(static_cast<void*>(records.data()));
    run_last_block(device::ScfCall{
        .stochastic = true,
        .weight = weights.data(),
        .delta = deltas.data(),
        .range = {.first = 0, .count = first + count, .covered_cols = 500, .cols = cols},
        .scaling = &scaling,
        .key = {.seed = edit.seed, .tensor_hash = edit.tensor_hash},
        .records = results});
    const std::vector<Record> expected =
        cpu_scf(edit, scaling, {.first = first, .count = count, .covered_cols = 500, .cols = cols},
                weight, delta);
    EXPECT_TRUE(same_record(results[first / kBlockElements], expected.at(0)));
    EXPECT_GT(expected.at(0).bad.first, kFourGi);
    EXPECT_EQ(std::memcmp(weights.data() + 2 * first, weight.data(), weight.size()), 0);
  }
}

TEST(LargeIndices, GeneratedElements) {
  const GeneratorCase c = eight_gains(4096, (std::uint64_t{1} << 21) - 3);
  const LayerGenerator generator(c.recipe, c.layer);
  for (const Role role : kRoles) {
    const std::uint64_t all = generator.rows(role) * generator.cols(role);
    for (const std::uint64_t first : {kFourGi - 13, kFourGi + 4090, all - 9000, all - 101}) {
      std::vector<std::uint16_t> expected(101);
      std::vector<std::uint16_t> got(101);
      generator.generate(role, first, expected);
      run_kernel(generate_call(generator, role, first, got.size(), got.data()));
      EXPECT_EQ(got, expected) << to_string(role) << " " << first;
    }
  }
}

}  // namespace
}  // namespace contourfuse::test
