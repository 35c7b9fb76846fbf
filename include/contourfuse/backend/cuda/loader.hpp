// Finding and loading the CUDA module. Nothing here needs CUDA.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/backend/cuda/module.hpp"

namespace contourfuse {

/// A module, or one line that says why there is none.
struct CudaLoad {
  const CudaModule* module = nullptr;
  std::string unusable{};
  bool absent = false;  ///< there is no such file
};

/// Where the module may lie, first choice first: beside the program, in the build tree as in an
/// installation. CONTOURFUSE_CUDA_MODULE names another one, which is then the only one.
[[nodiscard]] std::vector<std::filesystem::path> cuda_module_paths();

/// Loads the first that exists, for as long as the process lives; no other is tried.
[[nodiscard]] CudaLoad load_cuda_module(std::span<const std::filesystem::path> paths);

/// The devices that the module finds, or why there are none.
[[nodiscard]] CudaSearch find_cuda_devices();

/// A backend on devices that find_cuda_devices() calls usable. Throws
/// Error{kBadInput, "device-unavailable"} without a module, Error{kFailed, "device-memory"} or
/// "device-failed" if a device does not play its part.
[[nodiscard]] std::unique_ptr<Backend> make_cuda_backend(std::span<const int> ordinals,
                                                         std::uint64_t pinned_bytes);
/// Likewise for a sweep. Each call of it takes one device: as many at once use them all.
[[nodiscard]] std::unique_ptr<SweepBackend> make_cuda_sweep_backend(std::span<const int> ordinals,
                                                                    std::uint64_t pinned_bytes);

}  // namespace contourfuse
