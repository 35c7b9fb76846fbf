// How fast the hot kernels are, against a copy of as many bytes inside the device in the same run.
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/scaling.hpp"
#include "device/cuda_check.hpp"
#include "device/cuda_device.hpp"
#include "device/cuda_event.hpp"
#include "device/cuda_launch.hpp"
#include "device/cuda_stream.hpp"
#include "gpu/usable_gpu.hpp"

namespace contourfuse {
namespace {

using device::CudaDevice;
using device::CudaEvent;
using device::CudaStream;

constexpr std::uint64_t kElements = std::uint64_t{1} << 27;  // 256 MiB of bf16, past any cache
constexpr std::uint64_t kPatternElements = std::uint64_t{1} << 20;
constexpr int kWarmUps = 3;
constexpr int kRuns = 20;
/// Below this share of a copy something is broken, on any GPU.
constexpr double kLeastShare = 0.05;

/// Device memory that goes with its owner.
class DeviceMemory {
 public:
  DeviceMemory(CudaDevice& device, std::uint64_t bytes)
      : device_(device), memory_(device.allocate(bytes)) {}
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { device_.release(memory_); }
  [[nodiscard]] void* get() const { return memory_; }

 private:
  CudaDevice& device_;
  void* memory_;
};

class GpuRate : public test::UsableGpu {
 protected:
  /// Bytes per second of `work`, which moves `bytes` of device memory.
  static double rate(const std::string& device, const CudaStream& stream, std::uint64_t bytes,
                     const std::function<void()>& work) {
    for (int i = 0; i < kWarmUps; ++i) work();
    const CudaEvent start(device, cudaEventDefault);
    const CudaEvent stop(device, cudaEventDefault);
    CONTOURFUSE_CUDA_CHECK(cudaEventRecord(start.get(), stream.get()), device);
    for (int i = 0; i < kRuns; ++i) work();
    CONTOURFUSE_CUDA_CHECK(cudaEventRecord(stop.get(), stream.get()), device);
    CONTOURFUSE_CUDA_CHECK(cudaEventSynchronize(stop.get()), device);
    float milliseconds = 0;
    CONTOURFUSE_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.get(), stop.get()), device);
    constexpr double kMillisecond = 1e-3;
    return static_cast<double>(bytes) * kRuns / (static_cast<double>(milliseconds) * kMillisecond);
  }

  static void fill_with_noise(const std::string& device, void* memory, float sigma) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, sigma);
    std::vector<std::uint16_t> pattern(kPatternElements);
    for (std::uint16_t& bits : pattern) bits = Bf16::narrow(normal(random));
    auto* out = static_cast<std::uint16_t*>(memory);
    for (std::uint64_t i = 0; i < kElements; i += kPatternElements) {
      CONTOURFUSE_CUDA_CHECK(cudaMemcpy(out + i, pattern.data(), kPatternElements * sizeof(*out),
                                        cudaMemcpyHostToDevice),
                             device);
    }
  }
};

TEST_F(GpuRate, OfTheHotKernelsIsThatOfMemory) {
  for (const int ordinal : ordinals()) {
    CudaDevice gpu(ordinal);
    const std::string name = gpu.name();
    CONTOURFUSE_CUDA_CHECK(cudaSetDevice(ordinal), name);
    constexpr std::uint64_t kBytes = kElements * sizeof(std::uint16_t);
    constexpr std::uint64_t kBlocks = kElements / kBlockElements;
    const DeviceMemory weight(gpu, kBytes);
    const DeviceMemory delta(gpu, kBytes);
    const DeviceMemory moments(gpu, kBlocks * sizeof(BlockMoments));
    const DeviceMemory records(gpu, kBlocks * sizeof(Record));
    const DeviceMemory scaling(gpu, sizeof(Scaling));
    fill_with_noise(name, weight.get(), 0.02F);
    fill_with_noise(name, delta.get(), 0.5F);
    Scaling small;
    small.parameter = 0.02F;
    CONTOURFUSE_CUDA_CHECK(cudaMemcpy(scaling.get(), &small, sizeof(small), cudaMemcpyHostToDevice),
                           name);

    const CudaStream stream(name);
    const device::LaunchPolicy policy;
    const auto launch = [&](const device::KernelCall& call) {
      device::launch_on_stream(call, policy, stream.get(), name);
    };
    // A copy reads and writes each byte.
    const double copy = rate(name, stream, 2 * kBytes, [&] {
      CONTOURFUSE_CUDA_CHECK(cudaMemcpyAsync(delta.get(), weight.get(), kBytes,
                                             cudaMemcpyDeviceToDevice, stream.get()),
                             name);
    });
    fill_with_noise(name, delta.get(), 0.5F);
    std::printf("%s: copy %.0f GB/s\n", name.c_str(), copy / 1e9);
    const auto report = [&](const std::string& kernel, std::uint64_t bytes,
                            const device::KernelCall& call) {
      const double reached = rate(name, stream, bytes, [&] { launch(call); });
      std::printf("%s: %s %.0f GB/s, %.0f %% of the copy\n", name.c_str(), kernel.c_str(),
                  reached / 1e9, 100 * reached / copy);
      EXPECT_GT(reached, kLeastShare * copy) << kernel;
    };

    report("moments", kBytes,
           device::MomentsCall{.dtype = DType::kBF16,
                               .elements = weight.get(),
                               .count = kElements,
                               .blocks = static_cast<BlockMoments*>(moments.get())});
    for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
      for (const bool stochastic : {false, true}) {
        device::ScfCall call;
        call.role = role;
        call.stochastic = stochastic;
        call.weight = weight.get();
        call.delta = delta.get();
        call.range = {.first = 0, .count = kElements, .covered_cols = 8192, .cols = 8192};
        call.scaling = static_cast<const Scaling*>(scaling.get());
        call.records = static_cast<Record*>(records.get());
        report(fmt::format("SCF {}{}", role == ScfRole::kDown ? "down" : "gate",
                           stochastic ? ", stochastic" : ""),
               3 * kBytes + kBlocks * sizeof(Record), call);
      }
    }
  }
}

}  // namespace
}  // namespace contourfuse
