// Checks of CUDA calls: every call goes through one of the two macros.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace contourfuse::device {

/// Error{kFailed, "device-memory"} for want of memory, "device-failed" else: device, call, reason.
[[noreturn]] void throw_cuda_error(cudaError_t status, const std::string& call,
                                   const std::string& device);

/// For the way out, where nobody is left to tell; the next check does not see the error either.
inline void forget_cuda_error(cudaError_t status) noexcept {
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
}

}  // namespace contourfuse::device

/// Throws if `call` fails. `whose` is the device's name, looked at only then.
#define CONTOURFUSE_CUDA_CHECK(call, whose)                                   \
  do {                                                                        \
    if (const cudaError_t cuda_status = (call); cuda_status != cudaSuccess) { \
      ::contourfuse::device::throw_cuda_error(cuda_status, #call, whose);     \
    }                                                                         \
  } while (false)

/// Carries on if `call` fails.
#define CONTOURFUSE_CUDA_CHECK_NOEXCEPT(call) ::contourfuse::device::forget_cuda_error(call)
