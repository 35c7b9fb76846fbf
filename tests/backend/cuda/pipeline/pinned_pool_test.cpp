// A slot is lent to one at a time, and only once its last transfer has happened.
#include "pipeline/pinned_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "backend/cuda/pipeline/emulated_device.hpp"
#include "pipeline/memory.hpp"
#include "pipeline/worker.hpp"

namespace contourfuse::device {
namespace {

using test::DeviceLedger;
using test::EmulatedDevice;

constexpr std::uint64_t kSlot = 64;

TEST(PinnedPool, LendsEverySlotOnce) {
  DeviceLedger ledger;
  EmulatedDevice device({}, ledger);
  const PinnedMemory memory = pinned_memory(device, 3 * kSlot + 10);
  Stop stop;
  PinnedPool pool(device, {memory.get(), 3 * kSlot + 10}, kSlot, stop);
  ASSERT_EQ(pool.slots(), 3U);
  std::vector<SlotLease> leases;
  std::set<const std::byte*> places;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(pool.acquire());
    EXPECT_EQ(leases.back().bytes().size(), kSlot);
    places.insert(leases.back().bytes().data());
  }
  EXPECT_EQ(places.size(), 3U);
  std::atomic<bool> has_fourth = false;
  std::jthread waiting([&] {
    const SlotLease fourth = pool.acquire();
    has_fourth = true;
    EXPECT_EQ(fourth.bytes().data(), *places.begin());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(has_fourth);
  std::erase_if(leases,
                [&](const SlotLease& lease) { return lease.bytes().data() == *places.begin(); });
}

TEST(PinnedPool, WaitsForTheTransferOfASlot) {
  DeviceLedger ledger;
  EmulatedDevice device({.timing = test::Timing::kLate}, ledger);
  const PinnedMemory pinned = pinned_memory(device, kSlot);
  const DeviceMemory memory = device_memory(device, kSlot);
  Stop stop;
  PinnedPool pool(device, {pinned.get(), kSlot}, kSlot, stop);
  {
    const SlotLease lease = pool.acquire();
    lease.bytes()[0] = std::byte{7};
    device.copy_in(Stream::kIn, memory.get(), lease.bytes().data(), kSlot);
    device.record(Stream::kIn, lease.transferred());
  }
  EXPECT_NE(memory.get()[0], std::byte{7});
  const SlotLease again = pool.acquire();
  EXPECT_EQ(memory.get()[0], std::byte{7});
}

TEST(PinnedPool, WakesWhoWaitsWhenTheRunEnds) {
  DeviceLedger ledger;
  EmulatedDevice device({}, ledger);
  const PinnedMemory memory = pinned_memory(device, kSlot);
  Stop stop;
  PinnedPool pool(device, {memory.get(), kSlot}, kSlot, stop);
  const SlotLease only = pool.acquire();
  std::jthread waiting([&] { EXPECT_THROW((void)pool.acquire(), Abandoned); });
  stop.request();
  waiting.join();
  HandOff<int> late(stop);
  EXPECT_THROW((void)late.take(), Abandoned);
}

TEST(PinnedPlan, StaysWithinItsQuota) {
  for (const std::uint64_t quota : {448U, 1000U, 4096U, 1'000'000U, 300'000'000U}) {
    for (const std::uint64_t slot : {1U, 64U, 5000U, 16'777'216U}) {
      const PinnedPlan plan = plan_pinned(quota, slot);
      EXPECT_LE(plan.bytes(), quota);
      EXPECT_GE(plan.in_slots, 2U);
      EXPECT_GE(plan.out_slots, 1U);
      EXPECT_EQ(plan.slot_bytes % kSlot, 0U);
      EXPECT_LE(plan.slot_bytes, std::max(kSlot, slot));
    }
  }
}

}  // namespace
}  // namespace contourfuse::device
