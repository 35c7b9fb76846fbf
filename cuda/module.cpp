// The module's one door: which devices there are, and a backend on some of them.
#include "contourfuse/backend/cuda/module.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>

#include "device/cublas_multiplier.hpp"
#include "device/cuda_check.hpp"
#include "device/cuda_device.hpp"
#include "device/cuda_grid_algorithms.hpp"
#include "grid/device_sweep_backend.hpp"
#include "pipeline/device_backend.hpp"

namespace contourfuse {
namespace {

/// The lowest compute capability that the kernels are compiled for.
constexpr int kLowestMajor = 8;

/// CUDA writes 13.1 as 13010.
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

CudaSearch nothing(std::string why) { return {{}, std::move(why), true}; }
CudaSearch broken(std::string why) { return {{}, std::move(why), false}; }

CudaSearch no_devices(cudaError_t status) {
  device::forget_cuda_error(status);
  if (status == cudaErrorNoDevice) return nothing("the NVIDIA driver finds no GPU");
  int driver = 0;
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaDriverGetVersion(&driver));
  if (driver == 0) return nothing("there is no NVIDIA driver (libcuda.so.1) on this machine");
  if (status == cudaErrorInsufficientDriver) {
    return broken(fmt::format("the NVIDIA driver is too old: it is for CUDA {}, and {} is needed",
                              version_text(driver), version_text(CUDART_VERSION)));
  }
  return broken(fmt::format("CUDA does not start: {}", cudaGetErrorString(status)));
}

CudaDeviceFacts facts_of(int ordinal) {
  CudaDeviceFacts facts;
  facts.ordinal = ordinal;
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, ordinal);
  if (status != cudaSuccess) {
    device::forget_cuda_error(status);
    facts.unusable = cudaGetErrorString(status);
    return facts;
  }
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.memory = properties.totalGlobalMem;
  if (facts.major < kLowestMajor) {
    facts.unusable = fmt::format("its compute capability is {}.{}, and {}.0 is needed", facts.major,
                                 facts.minor, kLowestMajor);
  }
  return facts;
}

CudaSearch find() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    return no_devices(status == cudaSuccess ? cudaErrorNoDevice : status);
  }
  CudaSearch search;
  for (int ordinal = 0; ordinal < count; ++ordinal) search.devices.push_back(facts_of(ordinal));
  const bool usable = std::any_of(search.devices.begin(), search.devices.end(),
                                  [](const auto& facts) { return facts.unusable.empty(); });
  if (!usable) {
    const CudaDeviceFacts& first = search.devices.front();
    search.unusable = fmt::format("cuda:{}, {}: {}", first.ordinal, first.name, first.unusable);
  }
  return search;
}

std::unique_ptr<Backend> make_backend(std::span<const int> ordinals, std::uint64_t pinned_bytes) {
  std::vector<std::unique_ptr<device::Device>> devices;
  for (const int ordinal : ordinals) {
    devices.push_back(std::make_unique<device::CudaDevice>(ordinal));
  }
  DeviceBackendOptions options;
  options.pinned_bytes = pinned_bytes;
  return make_device_backend(std::move(devices), options);
}

device::SweepDevice sweep_device(int ordinal) {
  auto owned = std::make_unique<device::CudaDevice>(ordinal);
  device::CudaDevice& device = *owned;
  device::SweepDevice parts;
  parts.device = std::make_unique<device::SharedDevice>(std::move(owned));
  parts.make_algorithms = [&device](device::Device&, device::DevicePool& pool) {
    return device::make_cuda_grid_algorithms(device, pool);
  };
  parts.make_multiplier = [&device](device::Device&) {
    return device::make_cublas_multiplier(device);
  };
  return parts;
}

std::unique_ptr<SweepBackend> make_sweep_backend(std::span<const int> ordinals,
                                                 std::uint64_t pinned_bytes) {
  std::vector<device::SweepDevice> devices;
  for (const int ordinal : ordinals) devices.push_back(sweep_device(ordinal));
  DeviceSweepOptions options;
  options.pinned_bytes = pinned_bytes;
  return make_device_sweep_backend(std::move(devices), options);
}

constexpr CudaModule kModule{CONTOURFUSE_VERSION, find, make_backend, make_sweep_backend};

}  // namespace
}  // namespace contourfuse

extern "C" [[gnu::visibility("default")]] const contourfuse::CudaModule* contourfuse_cuda_module();
extern "C" const contourfuse::CudaModule* contourfuse_cuda_module() {
  return &contourfuse::kModule;
}
