// cuBLAS, loaded when somebody multiplies.
#include "device/cublas_library.hpp"

#include <fmt/format.h>

#include <array>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/shared_library.hpp"

namespace contourfuse::device {
namespace {

CublasLibrary load() {
  // The headers are those of one major version, which the name has.
  const std::string name = fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR);
  try {
    const SharedLibrary library(std::array{name, CONTOURFUSE_CUBLAS_FOLDER "/" + name});
    CublasLibrary functions;
    library.find("cublasCreate_v2", functions.create);
    library.find("cublasDestroy_v2", functions.destroy);
    library.find("cublasSetStream_v2", functions.set_stream);
    library.find("cublasSetMathMode", functions.set_math_mode);
    library.find("cublasGetStatusString", functions.status_text);
    library.find("cublasSgemm_v2_64", functions.multiply);
    return functions;
  } catch (const SharedLibraryError& error) {
    throw Error(Failure::kBadInput, "device-unavailable",
                fmt::format("cuBLAS cannot be loaded: {}", error.what()), {},
                "install the CUDA Toolkit's libcublas, or use --device cpu");
  }
}

}  // namespace

const CublasLibrary& cublas_library() {
  static const CublasLibrary library = load();
  return library;
}

void throw_cublas_error(cublasStatus_t status, const std::string& call, const std::string& device) {
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(Failure::kFailed, memory ? "device-memory" : "device-failed",
              fmt::format("{}: {}: {}", device, call, cublas_library().status_text(status)), {},
              "use --device cpu, or a device that nobody else uses");
}

}  // namespace contourfuse::device
