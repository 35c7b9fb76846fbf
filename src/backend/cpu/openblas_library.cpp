// dlopen of OpenBLAS.
#include "backend/cpu/openblas_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

// The headers are those of this version of its interface.
constexpr const char* kName = "libopenblas.so.0";

std::string last_reason() {
  const char* const said = ::dlerror();
  std::string reason = said == nullptr ? "unknown reason" : said;
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason;
}

[[noreturn]] void refuse_library(const std::string& reason) {
  throw Error(Failure::kFailed, "library-missing",
              fmt::format("OpenBLAS cannot be loaded: {}", reason), {},
              "install it (libopenblas0), or measure weights alone with --probe-tokens 0");
}

template <class Function>
void find_function(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) refuse_library(last_reason());
}

void* open_library(const std::string& path) {
  return ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

OpenblasLibrary load_openblas() {
  void* library = open_library(kName);
  if (library == nullptr) {
    const std::string reason = last_reason();  // of the name that a user can do something about
    library = open_library(std::string(CONTOURFUSE_OPENBLAS_FOLDER "/") + kName);
    if (library == nullptr) refuse_library(reason);
  }
  OpenblasLibrary functions;
  find_function(library, "cblas_sgemm", functions.multiply);
  find_function(library, "openblas_set_num_threads", functions.set_threads);
  return functions;
}

}  // namespace

const OpenblasLibrary& openblas_library() {
  static const OpenblasLibrary library = load_openblas();
  return library;
}

}  // namespace contourfuse
