// The most anonymous memory while something runs.
#include "contourfuse/measure/memory_peak.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace contourfuse {
namespace {

TEST(MemoryPeak, SeesMemoryThatIsGoneAgain) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::uint64_t before = anonymous_bytes();
  ASSERT_GT(before, 0U);
  const MemoryPeak peak;
  {
    const std::vector<char> touched(kBytes, 'x');
    // Until a sample was taken, however busy the machine is.
    const auto start = std::chrono::steady_clock::now();
    while (peak.bytes() < before + kBytes / 2 &&
           std::chrono::steady_clock::now() - start < std::chrono::seconds(20)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_GE(peak.bytes(), before + kBytes / 2);
}

}  // namespace
}  // namespace contourfuse
