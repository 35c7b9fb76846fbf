// OpenBLAS, loaded when somebody multiplies.
#include "backend/cpu/openblas_library.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/shared_library.hpp"

namespace contourfuse {
namespace {

OpenblasLibrary load_openblas() {
  // The headers are those of this version of its interface.
  const std::string name = "libopenblas.so.0";
  try {
    const SharedLibrary library(std::array{name, CONTOURFUSE_OPENBLAS_FOLDER "/" + name});
    OpenblasLibrary functions;
    library.find("cblas_sgemm", functions.multiply);
    library.find("openblas_set_num_threads", functions.set_threads);
    return functions;
  } catch (const SharedLibraryError& error) {
    throw Error(Failure::kFailed, "library-missing",
                fmt::format("OpenBLAS cannot be loaded: {}", error.what()), {},
                "install it (libopenblas0), or measure weights alone with --probe-tokens 0");
  }
}

}  // namespace

const OpenblasLibrary& openblas_library() {
  static const OpenblasLibrary library = load_openblas();
  return library;
}

}  // namespace contourfuse
