// cuBLAS, loaded when somebody multiplies: it takes hundreds of megabytes, and a fuse needs none of
// it.
#pragma once

#include <cublas_v2.h>

#include <string>

namespace contourfuse::device {

/// What we use of the library, by its names there.
struct CublasLibrary {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasDestroy_v2) destroy = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetMathMode) set_math_mode = nullptr;
  decltype(&cublasGetStatusString) status_text = nullptr;
  decltype(&cublasSgemm_v2_64) multiply = nullptr;
};

/// The library, loaded for as long as the process lives. Throws
/// Error{kBadInput, "device-unavailable"} with the reason in one line.
[[nodiscard]] const CublasLibrary& cublas_library();

/// Error{kFailed, "device-memory"} for want of memory, "device-failed" else: device, call, reason.
[[noreturn]] void throw_cublas_error(cublasStatus_t status, const std::string& call,
                                     const std::string& device);

}  // namespace contourfuse::device

/// Throws if `call` fails. `whose` is the device's name, looked at only then.
#define CONTOURFUSE_CUBLAS_CHECK(call, whose)                                                  \
  do {                                                                                         \
    if (const cublasStatus_t cublas_status = (call); cublas_status != CUBLAS_STATUS_SUCCESS) { \
      ::contourfuse::device::throw_cublas_error(cublas_status, #call, whose);                  \
    }                                                                                          \
  } while (false)
