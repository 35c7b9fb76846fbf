// A CUDA event and who owns it.
#pragma once

#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "device/cuda_check.hpp"

namespace contourfuse::device {

/// For order alone: no time stamp, and a thread that waits sleeps, since others hash meanwhile.
inline constexpr unsigned kOrderEvent = cudaEventDisableTiming | cudaEventBlockingSync;

/// An event of the current device.
class CudaEvent {
 public:
  explicit CudaEvent(const std::string& device, unsigned flags = kOrderEvent) {
    CONTOURFUSE_CUDA_CHECK(cudaEventCreateWithFlags(&event_, flags), device);
  }
  CudaEvent(CudaEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  CudaEvent& operator=(CudaEvent&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  ~CudaEvent() {
    if (event_ != nullptr) CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaEventDestroy(event_));
  }

  [[nodiscard]] cudaEvent_t get() const noexcept { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace contourfuse::device
