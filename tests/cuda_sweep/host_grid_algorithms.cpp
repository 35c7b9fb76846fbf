// The algorithms of a grid and matrix products on an emulated device.
#include "cuda_sweep/host_grid_algorithms.hpp"

#include <thrust/system/cpp/execution_policy.h>

#include <utility>

#include "grid/thrust_algorithms.cuh"

namespace contourfuse::test {
namespace {

using device::Device;
using device::Stream;

/// What is computed at once waits here for its turn in the stream.
class ComputeTurn {
 public:
  explicit ComputeTurn(Device& device) : device_(device), event_(device.create_event()) {}
  void wait() {
    device_.record(Stream::kCompute, event_);
    device_.synchronize(event_);
  }

 private:
  Device& device_;
  device::Event event_;
};

using HostAlgorithms =
    device::ThrustAlgorithms<decltype(thrust::cpp::par(std::declval<device::PoolAllocator&>()))>;

class HostGridAlgorithms final : public device::GridAlgorithms {
 public:
  HostGridAlgorithms(Device& device, device::DevicePool& pool) : turn_(device), allocator_(pool) {}

  void write_keys(const device::SpectraCall& call) override { algorithms().write_keys(call); }
  void accumulate_keys(const device::AccumulateCall& call) override {
    algorithms().accumulate_keys(call);
  }
  void measure_products(const device::ProductMomentsCall& call) override {
    algorithms().measure_products(call);
  }
  void sum_gate(const device::GateSumsCall& call) override { algorithms().sum_gate(call); }
  void sum_odds(const device::OddsCall& call) override { algorithms().sum_odds(call); }

 private:
  [[nodiscard]] HostAlgorithms algorithms() {
    turn_.wait();
    return HostAlgorithms(thrust::cpp::par(allocator_));
  }

  ComputeTurn turn_;
  device::PoolAllocator allocator_;
};

class HostMultiplier final : public device::MatrixMultiplier {
 public:
  explicit HostMultiplier(Device& device) : turn_(device) {}

  void multiply(const device::MultiplyCall& call) override {
    turn_.wait();
    for (std::uint64_t col = 0; col < call.cols; ++col) {
      for (std::uint64_t row = 0; row < call.rows; ++row) {
        float sum = 0;
        for (std::uint64_t i = 0; i < call.inner; ++i) {
          sum += call.a[row * call.inner + i] * call.b[col * call.inner + i];
        }
        float& out = call.out[col * call.rows + row];
        out = call.adds ? out + sum : sum;
      }
    }
  }

 private:
  ComputeTurn turn_;
};

}  // namespace

std::unique_ptr<device::GridAlgorithms> make_host_grid_algorithms(Device& device,
                                                                  device::DevicePool& pool) {
  return std::make_unique<HostGridAlgorithms>(device, pool);
}

std::unique_ptr<device::MatrixMultiplier> make_host_multiplier(Device& device) {
  return std::make_unique<HostMultiplier>(device);
}

}  // namespace contourfuse::test
