// Accesses past an array and off an alignment: AddressSanitizer and UndefinedBehaviorSanitizer
// must catch the planted ones; the correct twins run in every build.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "host_cuda/launch.hpp"
#include "host_cuda/planted_kernels.hpp"

namespace contourfuse::host_cuda {
namespace {

// A heap block of exactly `count` elements, aligned for vectors.
std::vector<std::uint16_t> counting(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  std::iota(values.begin(), values.end(), std::uint16_t{0});
  return values;
}

template <Variant variant>
std::vector<std::uint32_t> run_overrun_shared() {
  std::vector<std::uint32_t> out(kThreads);
  launch(overrun_shared<variant>, 1, kThreads, out.data());
  return out;
}

template <Variant variant>
std::vector<std::uint16_t> run_overrun_global(std::size_t count) {
  const std::vector<std::uint16_t> in = counting(count);
  std::vector<std::uint16_t> out(count);
  launch(overrun_global<variant>, 1, 32, in.data(), out.data(), count);
  return out;
}

template <Variant variant>
std::vector<std::uint16_t> run_load_misaligned() {
  const std::vector<std::uint16_t> in = counting(std::size_t{8} * kThreads + 8);
  std::vector<std::uint16_t> out(std::size_t{8} * kThreads);
  launch(load_misaligned<variant>, 1, kThreads, in.data(), out.data());
  return out;
}

TEST(PlantedMemoryBugs, CorrectTwinsPass) {
  const std::vector<std::uint32_t> reversed = run_overrun_shared<Variant::kCorrect>();
  for (std::uint32_t t = 0; t < kThreads; ++t) EXPECT_EQ(reversed[t], kThreads - 1 - t);

  for (const std::size_t count : {1U, 7U, 8U, 9U, 1021U}) {
    std::vector<std::uint16_t> expected = counting(count);
    for (std::uint16_t& value : expected) ++value;
    EXPECT_EQ(run_overrun_global<Variant::kCorrect>(count), expected);
  }

  EXPECT_EQ(run_load_misaligned<Variant::kCorrect>(), counting(std::size_t{8} * kThreads));
}

#if defined(__SANITIZE_ADDRESS__)

TEST(PlantedMemoryBugsDeathTest, WritePastASharedArray) {
  EXPECT_DEATH(run_overrun_shared<Variant::kPlanted>(),
               "heap-buffer-overflow(.|\n)*WRITE of size 4(.|\n)*overrun_shared");
}

TEST(PlantedMemoryBugsDeathTest, VectorReadPastAGlobalArray) {
  EXPECT_DEATH(run_overrun_global<Variant::kPlanted>(1021),
               "heap-buffer-overflow(.|\n)*READ of size (.|\n)*overrun_global");
}

TEST(PlantedMemoryBugsDeathTest, VectorOffItsAlignment) {
  EXPECT_DEATH(run_load_misaligned<Variant::kPlanted>(),
               "planted_kernels.hpp:[0-9:]+ runtime error: .*misaligned address");
}

#endif

}  // namespace
}  // namespace contourfuse::host_cuda
