// Fuses on emulated devices, compared with the same fuse on the CPU.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/fuse_fixture.hpp"
#include "backend/cuda/pipeline/emulated_device.hpp"
#include "pipeline/device_backend.hpp"

namespace contourfuse::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

inline constexpr ScfRole kDown = ScfRole::kDown;
inline constexpr ScfRole kGate = ScfRole::kGate;

/// Devices, and how much the pipeline may take.
struct DeviceSetup {
  std::vector<EmulatedDeviceOptions> devices{{}};
  // Slots much smaller than the matrices, and few of them.
  DeviceBackendOptions options{.pinned_bytes = 40'000, .slot_bytes = 8192};
};

/// `count` devices, each slower than the one before.
inline DeviceSetup devices_of_speeds(std::size_t count, Timing timing, std::uint32_t seed) {
  DeviceSetup setup;
  setup.devices.clear();
  for (std::size_t i = 0; i < count; ++i) {
    setup.devices.push_back({.name = "emulated:" + std::to_string(i),
                             .timing = timing,
                             .seed = seed + static_cast<std::uint32_t>(i),
                             .delay_us = static_cast<std::uint32_t>(i * i * 20)});
  }
  setup.options.pinned_bytes *= count;
  return setup;
}

inline std::string describe(const DeviceSetup& setup) {
  return std::to_string(setup.devices.size()) + " devices, timing " +
         std::to_string(static_cast<int>(setup.devices[0].timing)) + ", seed " +
         std::to_string(setup.devices[0].seed) + ", " + std::to_string(setup.options.device_bytes) +
         " device bytes";
}

/// Makes the fixture run on devices.
inline void use_devices(FuseFixture& fuse, const DeviceSetup& setup, DeviceLedger& ledger) {
  fuse.make_backend = [&setup, &ledger] {
    std::vector<std::unique_ptr<device::Device>> devices;
    for (const EmulatedDeviceOptions& options : setup.devices) {
      devices.push_back(std::make_unique<EmulatedDevice>(options, ledger));
    }
    return make_device_backend(std::move(devices), setup.options);
  };
}

inline void expect_clean(const DeviceLedger& ledger, const DeviceSetup& setup) {
  EXPECT_EQ(ledger.allocations, 0) << describe(setup);
  EXPECT_EQ(ledger.open_stages, 0) << describe(setup);
  EXPECT_EQ(ledger.violations, 0) << describe(setup);
  EXPECT_LE(ledger.most_pinned_bytes, setup.options.pinned_bytes) << describe(setup);
}

inline void restart_deltas(FuseFixture& fuse) {
  for (auto& delta : fuse.deltas) delta.restart();
}

inline void expect_same(const FuseFixture::Outcome& got, const FuseFixture::Outcome& expected) {
  ASSERT_EQ(got.results.matrices.size(), expected.results.matrices.size());
  for (std::size_t i = 0; i < got.results.matrices.size(); ++i) {
    const MatrixResult& a = got.results.matrices[i];
    const MatrixResult& b = expected.results.matrices[i];
    EXPECT_TRUE(same_counts(a.counts, b.counts)) << "matrix " << i;
    EXPECT_TRUE(same_sums(a.sums, b.sums)) << "matrix " << i;
    EXPECT_EQ(a.sigma_weight, b.sigma_weight) << "matrix " << i;
    EXPECT_EQ(a.sigma_delta, b.sigma_delta) << "matrix " << i;
    EXPECT_EQ(a.alpha_dynamic, b.alpha_dynamic) << "matrix " << i;
    EXPECT_EQ(a.delta_is_zero, b.delta_is_zero) << "matrix " << i;
    EXPECT_EQ(a.weight_hash, b.weight_hash) << "matrix " << i;
    EXPECT_EQ(a.delta_hash, b.delta_hash) << "matrix " << i;
  }
  ASSERT_EQ(got.results.shards.size(), expected.results.shards.size());
  for (std::size_t i = 0; i < got.results.shards.size(); ++i) {
    EXPECT_EQ(got.results.shards[i].source_hash, expected.results.shards[i].source_hash) << i;
    EXPECT_EQ(got.results.shards[i].target_hash, expected.results.shards[i].target_hash) << i;
  }
  ASSERT_EQ(got.files.size(), expected.files.size());
  for (std::size_t i = 0; i < got.files.size(); ++i) {
    EXPECT_TRUE(got.files[i] == expected.files[i]) << "the bytes of shard " << i;
  }
  EXPECT_EQ(got.results.bytes_written, expected.results.bytes_written);
}

/// What the CPU makes of it.
inline FuseFixture::Outcome on_cpu(FuseFixture& fuse) {
  fuse.make_backend = make_cpu_backend;
  FuseFixture::Outcome outcome = fuse.run(2);
  restart_deltas(fuse);
  return outcome;
}

inline FuseFixture::Outcome on_devices(FuseFixture& fuse, const DeviceSetup& setup,
                                       DeviceLedger& ledger) {
  use_devices(fuse, setup, ledger);
  FuseFixture::Outcome outcome;
  expect_not_to_hang("a run on devices", [&] { outcome = fuse.run(2); });
  expect_clean(ledger, setup);
  for (const auto& delta : fuse.deltas) EXPECT_EQ(delta.reads_after_release, 0);
  restart_deltas(fuse);
  return outcome;
}

inline void expect_same_as_cpu(FuseFixture& fuse, const std::vector<DeviceSetup>& setups) {
  const FuseFixture::Outcome expected = on_cpu(fuse);
  for (const DeviceSetup& setup : setups) {
    SCOPED_TRACE(describe(setup));
    DeviceLedger ledger;
    expect_same(on_devices(fuse, setup, ledger), expected);
  }
}

}  // namespace contourfuse::test
