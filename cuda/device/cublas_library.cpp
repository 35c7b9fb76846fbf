// cuBLAS, loaded when somebody multiplies.
#include "device/cublas_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>

#include "contourfuse/core/error.hpp"

namespace contourfuse::device {
namespace {

Error unavailable() {
  const char* const said = ::dlerror();
  std::string reason = said == nullptr ? "unknown reason" : said;
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return {Failure::kBadInput,
          "device-unavailable",
          fmt::format("cuBLAS cannot be loaded: {}", reason),
          {},
          "install the CUDA Toolkit's libcublas, or use --device cpu"};
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw unavailable();
}

void* open(const std::string& path) {
  return ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

CublasLibrary load() {
  // The headers are those of one major version, which the name has.
  const std::string name = fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR);
  void* library = open(name);
  if (library == nullptr) {
    const Error error = unavailable();  // this is the name that a user can do something about
    library = open(CONTOURFUSE_CUBLAS_FOLDER "/" + name);
    if (library == nullptr) throw error;
  }
  CublasLibrary functions;
  find(library, "cublasCreate_v2", functions.create);
  find(library, "cublasDestroy_v2", functions.destroy);
  find(library, "cublasSetStream_v2", functions.set_stream);
  find(library, "cublasSetMathMode", functions.set_math_mode);
  find(library, "cublasGetStatusString", functions.status_text);
  find(library, "cublasSgemm_v2_64", functions.multiply);
  return functions;
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
