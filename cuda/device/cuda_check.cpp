// The words of a failed CUDA call.
#include "device/cuda_check.hpp"

#include <fmt/format.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse::device {

void throw_cuda_error(cudaError_t status, const std::string& call, const std::string& device) {
  // The next check is to report its own call.
  forget_cuda_error(status);
  const bool memory = status == cudaErrorMemoryAllocation;
  throw Error(Failure::kFailed, memory ? "device-memory" : "device-failed",
              fmt::format("{}: {}: {}", device, call, cudaGetErrorString(status)), {},
              memory ? "use --device cpu, a smaller --pinned-mb, or a device that nobody else uses"
                     : "the CPU gives the same bits: --device cpu");
}

}  // namespace contourfuse::device
