// The cost model, by hand-made numbers.
#include "contourfuse/fusion/cost_model.hpp"

#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

constexpr double kGiga = 1e9;

FuseSize small() {
  FuseSize size;
  size.checkpoint_bytes = 10'000'000'000;
  size.down_elements = 1'000'000'000;
  size.gate_elements = 2'000'000'000;
  return size;
}

FuseRates quick() {
  FuseRates rates;
  rates.read = 8 * kGiga;
  rates.write = 4 * kGiga;
  rates.to_device = 20 * kGiga;
  rates.from_device = 25 * kGiga;
  rates.device_memory = 1000 * kGiga;
  return rates;
}

const CostStage& stage(const FuseCost& cost, std::string_view name) {
  for (const CostStage& found : cost.stages) {
    if (found.name == name) return found;
  }
  throw std::out_of_range(std::string(name));
}

TEST(CostModel, CountsTheBytesOfEveryStage) {
  const FuseCost cost = model_fuse_cost(small(), quick());
  // 3·10^9 elements of 2 bytes, and as many of the delta.
  EXPECT_DOUBLE_EQ(stage(cost, "read").bytes, 16e9);
  EXPECT_DOUBLE_EQ(stage(cost, "copy in").bytes, 12e9);
  EXPECT_DOUBLE_EQ(stage(cost, "moments").bytes, 2e9 + 6e9);
  EXPECT_NEAR(stage(cost, "scale").bytes, 18e9 + 3e9 / 8192 * 136, 3e9 / 8192 * 24);
  EXPECT_DOUBLE_EQ(stage(cost, "copy out").bytes, 6e9);
  EXPECT_DOUBLE_EQ(stage(cost, "write").bytes, 10e9);
  EXPECT_DOUBLE_EQ(stage(cost, "copy in").seconds, 0.6);
}

TEST(CostModel, NamesTheResourceThatIsBusyLongest) {
  FuseRates rates = quick();
  EXPECT_EQ(model_fuse_cost(small(), rates).limit, "storage, writing");
  EXPECT_DOUBLE_EQ(model_fuse_cost(small(), rates).seconds, 2.5);
  rates.write = 1000 * kGiga;
  EXPECT_EQ(model_fuse_cost(small(), rates).limit, "storage, reading");
  rates.read = 1000 * kGiga;
  EXPECT_EQ(model_fuse_cost(small(), rates).limit, "PCIe, to the device");
  rates.to_device = 1000 * kGiga;
  rates.from_device = 1000 * kGiga;
  EXPECT_EQ(model_fuse_cost(small(), rates).limit, "device memory");
}

TEST(CostModel, AMadeDeltaIsNeitherReadNorTransferred) {
  FuseSize size = small();
  size.stored_delta = false;
  const FuseCost cost = model_fuse_cost(size, quick());
  EXPECT_DOUBLE_EQ(stage(cost, "read").bytes, 10e9);
  EXPECT_DOUBLE_EQ(stage(cost, "copy in").bytes, 6e9);
  EXPECT_DOUBLE_EQ(stage(cost, "generate").bytes, 6e9);
}

TEST(CostModel, MoreDevicesShareTransfersAndMemoryButNotStorage) {
  FuseRates two = quick();
  two.devices = 2;
  const FuseCost one = model_fuse_cost(small(), quick());
  const FuseCost both = model_fuse_cost(small(), two);
  EXPECT_DOUBLE_EQ(stage(both, "copy in").seconds, stage(one, "copy in").seconds / 2);
  EXPECT_DOUBLE_EQ(stage(both, "scale").seconds, stage(one, "scale").seconds / 2);
  EXPECT_DOUBLE_EQ(stage(both, "write").seconds, stage(one, "write").seconds);
}

TEST(CostModel, RefusesARateOfNothing) {
  FuseRates rates = quick();
  rates.to_device = 0;
  EXPECT_THROW((void)model_fuse_cost(small(), rates), Error);
}

}  // namespace
}  // namespace contourfuse
