// The algorithms of a grid, compiled for the device.
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <string>

#include "contourfuse/core/error.hpp"
#include "device/cuda_grid_algorithms.hpp"
#include "grid/thrust_algorithms.cuh"

namespace contourfuse::device {
namespace {

class CudaGridAlgorithms final : public GridAlgorithms {
 public:
  CudaGridAlgorithms(CudaDevice& device, DevicePool& pool) : device_(device), allocator_(pool) {}

  void write_keys(const SpectraCall& call) override {
    run("the keys of a grid", [&](const auto& thrust) { thrust.write_keys(call); });
  }
  void accumulate_keys(const AccumulateCall& call) override {
    run("the spectra of a grid", [&](const auto& thrust) { thrust.accumulate_keys(call); });
  }
  void measure_products(const ProductMomentsCall& call) override {
    run("the moments of a grid", [&](const auto& thrust) { thrust.measure_products(call); });
  }
  void sum_gate(const GateSumsCall& call) override {
    run("the sums of a grid", [&](const auto& thrust) { thrust.sum_gate(call); });
  }
  void sum_odds(const OddsCall& call) override {
    run("the odds of a grid", [&](const auto& thrust) { thrust.sum_odds(call); });
  }

 private:
  template <class Work>
  void run(const char* what, Work work) {
    device_.enter();
    try {
      const auto policy = thrust::cuda::par_nosync(allocator_).on(device_.handle(Stream::kCompute));
      work(ThrustAlgorithms(policy));
    } catch (const thrust::system_error& error) {
      forget_cuda_error(cudaErrorUnknown);
      throw Error(Failure::kFailed, "device-failed",
                  device_.name() + ": " + what + ": " + error.what(), {},
                  "the CPU gives the same counts: --device cpu");
    }
  }

  CudaDevice& device_;
  PoolAllocator allocator_;
};

}  // namespace

std::unique_ptr<GridAlgorithms> make_cuda_grid_algorithms(CudaDevice& device, DevicePool& pool) {
  return std::make_unique<CudaGridAlgorithms>(device, pool);
}

}  // namespace contourfuse::device
