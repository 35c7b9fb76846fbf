// A CUDA device as the pipeline sees it.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include "device/cuda_event.hpp"
#include "device/cuda_stream.hpp"
#include "launch/launch_policy.hpp"
#include "pipeline/device.hpp"

namespace contourfuse::device {

class CudaDevice final : public Device {
 public:
  /// Throws Error{kFailed, "device-failed"} unless the device runs our kernels.
  explicit CudaDevice(int ordinal);
  ~CudaDevice() override;

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t free_memory() override;
  [[nodiscard]] void* allocate(std::uint64_t bytes) override;
  void release(void* memory) noexcept override;
  [[nodiscard]] void* allocate_pinned(std::uint64_t bytes) override;
  void release_pinned(void* memory) noexcept override;
  void copy_in(Stream stream, void* device, const void* pinned, std::uint64_t bytes) override;
  void copy_out(Stream stream, void* pinned, const void* device, std::uint64_t bytes) override;
  void launch(Stream stream, const KernelCall& call) override;
  [[nodiscard]] Event create_event() override;
  void record(Stream stream, Event event) override;
  void wait(Stream stream, Event event) override;
  void synchronize(Event event) override;
  void drain() noexcept override;
  void begin_stage(std::string_view name) noexcept override;
  void end_stage() noexcept override;

  /// Makes this the calling thread's device. What a thread has current is its own; every call does
  /// this.
  void enter() const;
  [[nodiscard]] cudaStream_t handle(Stream stream) const {
    return streams_[static_cast<std::size_t>(stream)].get();
  }

 private:
  [[nodiscard]] cudaEvent_t handle(Event event) const;

  int ordinal_;
  std::string name_;
  LaunchPolicy policy_{};
  std::vector<CudaStream> streams_{};  ///< by Stream
  mutable std::mutex events_mutex_{};  ///< any thread may look one up while another makes one
  std::vector<CudaEvent> events_{};    ///< by Event
};

}  // namespace contourfuse::device
