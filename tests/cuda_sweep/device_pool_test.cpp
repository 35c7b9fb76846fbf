// The pool of a device's memory.
#include "grid/device_pool.hpp"

#include <gtest/gtest.h>

#include "backend/cuda/pipeline/emulated_device.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse::device {
namespace {

class Pool : public testing::Test {
 protected:
  ~Pool() override { EXPECT_EQ(ledger.violations, 0); }

  test::DeviceLedger ledger{};
  test::EmulatedDevice device{{.memory = 100'000}, ledger};
  DevicePool pool{device};
};

TEST_F(Pool, LendsWhatCameBack) {
  const std::byte* first = nullptr;
  {
    const PooledMemory memory(pool, 10'000);
    first = memory.get();
  }
  const PooledMemory smaller(pool, 9000);
  EXPECT_EQ(smaller.get(), first);
  EXPECT_EQ(ledger.allocations, 1);
  const PooledMemory other(pool, 9000);
  EXPECT_NE(other.get(), first);
}

TEST_F(Pool, KeepsALargePieceFromASmallUse) {
  static_cast<void>(PooledMemory(pool, 50'000));
  const PooledMemory small(pool, 1000);
  EXPECT_EQ(ledger.allocations, 2);
}

TEST_F(Pool, CountsWhatIsIdleAsFree) {
  const std::uint64_t free = pool.free_bytes();
  static_cast<void>(PooledMemory(pool, 51'200));
  EXPECT_EQ(pool.free_bytes(), free);
  const PooledMemory memory(pool, 51'200);
  EXPECT_EQ(pool.free_bytes(), free - 51'200);
}

TEST_F(Pool, GivesUpIdlePiecesForALargerOne) {
  static_cast<void>(PooledMemory(pool, 60'000));
  const PooledMemory large(pool, 80'000);
  EXPECT_EQ(ledger.allocations, 1);
  EXPECT_THROW(PooledMemory(pool, 80'000), Error);
}

}  // namespace
}  // namespace contourfuse::device
