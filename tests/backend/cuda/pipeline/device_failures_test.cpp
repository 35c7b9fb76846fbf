// Whatever fails, and when: the run ends with that error, every device is waited for, nothing is
// left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "backend/cuda/pipeline/device_fuse.hpp"
#include "contourfuse/core/cancellation.hpp"
#include "pipeline/device_backend.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using test::DeviceLedger;
using test::DeviceSetup;
using test::FuseFixture;
using test::kDown;
using test::kGate;
using test::Timing;
using testing::AnyOf;
using testing::HasSubstr;

constexpr DType kStored = DType::kBF16;

/// Whole and partial coverage, bytes around them, more matrices than sets of buffers.
void fill_to_fail(FuseFixture& fuse) {
  fuse.add_shard();
  fuse.add_bytes(20'000);
  fuse.add_matrix({90, 100, 90, 100, kStored, kStored, kDown});
  fuse.add_matrix({90, 100, 90, 77, kStored, kStored, kGate});
  fuse.add_matrix({90, 100, 90, 100, kStored, kStored, kGate});
  fuse.add_bytes(10'000);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
}

/// One device that holds all, one that has to cut; two of them.
std::vector<DeviceSetup> setups() {
  DeviceSetup whole;
  whole.options = {.pinned_bytes = 60'000, .slot_bytes = 16'384};
  DeviceSetup tiled = whole;
  tiled.options.device_bytes = 40'000;
  DeviceSetup two = test::devices_of_speeds(2, Timing::kRandom, 1);
  two.options = {.pinned_bytes = 120'000, .slot_bytes = 16'384};
  return {whole, tiled, two};
}

void expect_device_error(const Error& error, const char* why) {
  EXPECT_THAT(error.kind(), AnyOf("device-failed", "device-memory"));
  EXPECT_EQ(error.failure(), Failure::kFailed);
  EXPECT_THAT(error.message(), HasSubstr("emulated:"));
  EXPECT_THAT(error.message(), HasSubstr(why));
}

TEST(DeviceFailures, EveryCallMayFail) {
  for (const DeviceSetup& setup : setups()) {
    bool named_a_tensor = false;
    for (std::uint64_t call = 1;; ++call) {
      ASSERT_LT(call, 2000U);
      FuseFixture fuse;
      fill_to_fail(fuse);
      DeviceLedger ledger;
      ledger.failing_call = call;
      use_devices(fuse, setup, ledger);
      const Error error = test::failure_of(fuse, 2);
      expect_clean(ledger, setup);
      if (ledger.calls < call) {
        EXPECT_EQ(error.kind(), "none");
        break;
      }
      expect_device_error(error, "told to fail");
      named_a_tensor |= error.place().tensor.starts_with("matrix ");
    }
    EXPECT_TRUE(named_a_tensor);
  }
}

TEST(DeviceFailures, EveryOperationMayLoseItsDevice) {
  for (const DeviceSetup& setup : setups()) {
    for (std::uint64_t operation = 1;; ++operation) {
      ASSERT_LT(operation, 1000U);
      FuseFixture fuse;
      fill_to_fail(fuse);
      DeviceLedger ledger;
      ledger.failing_work = operation;
      use_devices(fuse, setup, ledger);
      const Error error = test::failure_of(fuse, 2);
      expect_clean(ledger, setup);
      if (ledger.work < operation) {
        EXPECT_EQ(error.kind(), "none");
        break;
      }
      expect_device_error(error, "the device is lost");
    }
  }
}

TEST(DeviceFailures, EveryReadOfADeltaMayFail) {
  for (const DeviceSetup& setup : setups()) {
    for (std::size_t matrix = 0; matrix < 3; ++matrix) {
      for (int read = 0;; ++read) {
        ASSERT_LT(read, 100);
        FuseFixture fuse;
        fill_to_fail(fuse);
        std::atomic<bool> thrown = false;
        auto& delta = *std::next(fuse.deltas.begin(), static_cast<std::ptrdiff_t>(matrix));
        delta.on_read = [&](int number) {
          if (number != read) return;
          thrown = true;
          throw std::runtime_error("no delta today");
        };
        DeviceLedger ledger;
        use_devices(fuse, setup, ledger);
        std::string message;
        test::expect_not_to_hang("a run whose delta fails", [&] {
          try {
            fuse.run(2);
          } catch (const std::runtime_error& error) {
            message = error.what();
          }
        });
        expect_clean(ledger, setup);
        EXPECT_EQ(message, thrown ? "no delta today" : "");
        if (!thrown) break;
      }
    }
  }
}

TEST(DeviceFailures, ACancelledRunEnds) {
  for (const DeviceSetup& setup : setups()) {
    for (const int read : {0, 1}) {
      FuseFixture fuse;
      fill_to_fail(fuse);
      Cancellation cancellation;
      fuse.deltas.front().on_read = [&](int number) {
        if (number == read) cancellation.request();
      };
      DeviceLedger ledger;
      use_devices(fuse, setup, ledger);
      EXPECT_EQ(test::failure_of(fuse, 2, {.cancellation = &cancellation}).kind(), "interrupted");
      expect_clean(ledger, setup);
    }
    FuseFixture fuse;
    fill_to_fail(fuse);
    Cancellation cancellation;
    cancellation.request();
    DeviceLedger ledger;
    use_devices(fuse, setup, ledger);
    EXPECT_EQ(test::failure_of(fuse, 2, {.cancellation = &cancellation}).kind(), "interrupted");
    EXPECT_EQ(fuse.deltas.front().bytes_read, 0U);
  }
}

TEST(DeviceFailures, AShortSourceIsAnError) {
  for (const DeviceSetup& setup : setups()) {
    for (const std::size_t missing : {1U, 30'000U}) {
      FuseFixture fuse;
      fill_to_fail(fuse);
      fuse.missing_bytes = missing;
      DeviceLedger ledger;
      use_devices(fuse, setup, ledger);
      EXPECT_THAT(test::failure_of(fuse, 2).kind(), testing::StartsWith("io-"));
      expect_clean(ledger, setup);
    }
  }
}

TEST(DeviceFailures, ATargetThatTakesNoBytesIsAnError) {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "file";
  const std::vector<std::byte> bytes(50'000);
  File::create(path).write(0, bytes);
  const File source = File::open(path);
  File target = File::open(path);  // for reading
  FuseJob job;
  job.shards.push_back({&source, &target, bytes.size()});
  for (const DeviceSetup& setup : setups()) {
    DeviceLedger ledger;
    FuseFixture fuse;
    use_devices(fuse, setup, ledger);
    try {
      fuse.make_backend()->run(job, {});
      ADD_FAILURE() << "did not fail";
    } catch (const Error& error) {
      EXPECT_THAT(error.kind(), testing::StartsWith("io-"));
    }
    expect_clean(ledger, setup);
  }
}

}  // namespace
}  // namespace contourfuse
