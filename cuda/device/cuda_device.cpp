// Each call of a device as the CUDA call that it is.
#include "device/cuda_device.hpp"

#include <fmt/format.h>
#include <nvtx3/nvToolsExt.h>

#include <algorithm>

#include "device/cuda_check.hpp"
#include "device/cuda_launch.hpp"

namespace contourfuse::device {
namespace {

/// Longest stage name that a profiler is told.
constexpr std::size_t kStageBytes = 63;

/// "cuda:0, NVIDIA H100 80GB HBM3".
std::string device_name(int ordinal) {
  std::string name = fmt::format("cuda:{}", ordinal);
  cudaDeviceProp properties{};
  CONTOURFUSE_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal), name);
  return fmt::format("{}, {}", name, properties.name);
}

}  // namespace

CudaDevice::CudaDevice(int ordinal) : ordinal_(ordinal), name_(device_name(ordinal)) {
  enter();
  check_kernel_image(name_);
  for (std::size_t i = 0; i < kStreams; ++i) streams_.emplace_back(name_);
}

CudaDevice::~CudaDevice() {
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaSetDevice(ordinal_));
  drain();
}

void CudaDevice::enter() const { CONTOURFUSE_CUDA_CHECK(cudaSetDevice(ordinal_), name_); }

std::uint64_t CudaDevice::free_memory() {
  enter();
  std::size_t free = 0;
  std::size_t total = 0;
  CONTOURFUSE_CUDA_CHECK(cudaMemGetInfo(&free, &total), name_);
  return free;
}

void* CudaDevice::allocate(std::uint64_t bytes) {
  enter();
  void* memory = nullptr;
  if (const cudaError_t status = cudaMalloc(&memory, bytes); status != cudaSuccess) {
    throw_cuda_error(status, fmt::format("cudaMalloc of {} bytes", bytes), name_);
  }
  return memory;
}

void CudaDevice::release(void* memory) noexcept {
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaSetDevice(ordinal_));
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaFree(memory));
}

void* CudaDevice::allocate_pinned(std::uint64_t bytes) {
  enter();
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable);
  if (status != cudaSuccess) {
    throw_cuda_error(status, fmt::format("cudaHostAlloc of {} bytes", bytes), name_);
  }
  return memory;
}

void CudaDevice::release_pinned(void* memory) noexcept {
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaSetDevice(ordinal_));
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaFreeHost(memory));
}

void CudaDevice::copy_in(Stream stream, void* device, const void* pinned, std::uint64_t bytes) {
  enter();
  CONTOURFUSE_CUDA_CHECK(
      cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, handle(stream)), name_);
}

void CudaDevice::copy_out(Stream stream, void* pinned, const void* device, std::uint64_t bytes) {
  enter();
  CONTOURFUSE_CUDA_CHECK(
      cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, handle(stream)), name_);
}

void CudaDevice::launch(Stream stream, const KernelCall& call) {
  enter();
  launch_on_stream(call, policy_, handle(stream), name_);
}

Event CudaDevice::create_event() {
  enter();
  CudaEvent event(name_);
  const std::scoped_lock lock(events_mutex_);
  events_.push_back(std::move(event));
  return static_cast<Event>(events_.size() - 1);
}

cudaEvent_t CudaDevice::handle(Event event) const {
  const std::scoped_lock lock(events_mutex_);
  return events_.at(event).get();
}

void CudaDevice::record(Stream stream, Event event) {
  enter();
  CONTOURFUSE_CUDA_CHECK(cudaEventRecord(handle(event), handle(stream)), name_);
}

void CudaDevice::wait(Stream stream, Event event) {
  enter();
  CONTOURFUSE_CUDA_CHECK(cudaStreamWaitEvent(handle(stream), handle(event), 0), name_);
}

void CudaDevice::synchronize(Event event) {
  enter();
  CONTOURFUSE_CUDA_CHECK(cudaEventSynchronize(handle(event)), name_);
}

void CudaDevice::drain() noexcept {
  CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaSetDevice(ordinal_));
  for (const CudaStream& stream : streams_) {
    CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaStreamSynchronize(stream.get()));
  }
}

void CudaDevice::begin_stage(std::string_view name) noexcept {
  std::array<char, kStageBytes + 1> text{};
  std::copy_n(name.begin(), std::min(name.size(), kStageBytes), text.begin());
  nvtxRangePushA(text.data());
}

void CudaDevice::end_stage() noexcept { nvtxRangePop(); }

}  // namespace contourfuse::device
