// A CUDA stream and who owns it.
#pragma once

#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "device/cuda_check.hpp"

namespace contourfuse::device {

/// A stream of the current device that does not wait for the default one.
class CudaStream {
 public:
  explicit CudaStream(const std::string& device) {
    CONTOURFUSE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), device);
  }
  CudaStream(CudaStream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  CudaStream& operator=(CudaStream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() {
    if (stream_ != nullptr) CONTOURFUSE_CUDA_CHECK_NOEXCEPT(cudaStreamDestroy(stream_));
  }

  [[nodiscard]] cudaStream_t get() const noexcept { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace contourfuse::device
