// OpenBLAS, loaded when somebody multiplies: from its first moment its threads look for work, and a
// fuse has none for them.
#pragma once

#include <cblas.h>

namespace contourfuse {

/// What we use of the library, by its names there.
struct OpenblasLibrary {
  decltype(&cblas_sgemm) multiply = nullptr;
  decltype(&openblas_set_num_threads) set_threads = nullptr;
};

/// The library, loaded for as long as the process lives. Throws Error{kFailed, "library-missing"}
/// with the reason in one line.
[[nodiscard]] const OpenblasLibrary& openblas_library();

}  // namespace contourfuse
