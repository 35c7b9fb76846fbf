// Emulated devices on several host threads at once, as the pipeline's tests run them.
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "host_cuda/launch.hpp"
#include "host_cuda/planted_kernels.hpp"
#include "support/error_of.hpp"

namespace contourfuse::host_cuda {
namespace {

constexpr std::uint32_t kDevices = 4;

// Some launches fail between those that do not; a failure must leave nothing behind.
void use_device(std::uint32_t device, bool check_races, std::vector<std::uint32_t>& wrong) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    const LaunchOptions options{.seed = device * 100 + i, .check_races = check_races};
    std::vector<std::uint32_t> out(kThreads, 0);
    launch(options, rotate_in_shared<Variant::kCorrect>, 1, kThreads, out.data());
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      if (out[t] != (t + kThreads - 1) % kThreads) ++wrong[device];
    }
    const Error error = test::error_of([&] {
      launch(options, return_before_barrier<Variant::kPlanted>, 1, kThreads, out.data());
    });
    if (error.kind() != "barrier-after-exit") ++wrong[device];
  }
}

TEST(HostThreads, LaunchWithoutKnowingOfEachOther) {
  for (const bool check_races : {true, false}) {
    std::vector<std::uint32_t> wrong(kDevices, 0);
    std::vector<std::thread> devices;
    for (std::uint32_t device = 0; device < kDevices; ++device) {
      devices.emplace_back(
          [&wrong, device, check_races] { use_device(device, check_races, wrong); });
    }
    for (std::thread& device : devices) device.join();
    EXPECT_EQ(wrong, std::vector<std::uint32_t>(kDevices, 0));
  }
}

}  // namespace
}  // namespace contourfuse::host_cuda
