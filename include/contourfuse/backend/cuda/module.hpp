// The CUDA backend as a module that the program loads when it is asked for: what both sides know.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/sweep/backend.hpp"

namespace contourfuse {

struct CudaDeviceFacts {
  int ordinal = 0;
  std::string name{};
  int major = 0;  ///< of the compute capability
  int minor = 0;
  std::uint64_t memory = 0;  ///< bytes
  std::string unusable{};    ///< one line that says why; empty if the device can be used
};

/// What there is of CUDA on this machine.
struct CudaSearch {
  std::vector<CudaDeviceFacts> devices{};  ///< also those that cannot be used
  std::string unusable{};                  ///< one line that says why none can be used; else empty
  /// No device can be used because there is nothing: no module, no driver or no device. False where
  /// something is there and does not work.
  bool absent = false;
};

/// What the module gives to a program of its own version. It stays loaded, so all of it is valid
/// until the process ends.
struct CudaModule {
  const char* version = "";  ///< of contourfuse; first in every version, since it vouches for all
  CudaSearch (*find)() = nullptr;
  /// For devices that can be used. `pinned_bytes`: host memory that may be locked, in all.
  std::unique_ptr<Backend> (*make_backend)(std::span<const int> ordinals,
                                           std::uint64_t pinned_bytes) = nullptr;
  std::unique_ptr<SweepBackend> (*make_sweep_backend)(std::span<const int> ordinals,
                                                      std::uint64_t pinned_bytes) = nullptr;
};

/// The one symbol that the module exports: a function of this type.
using CudaModuleFunction = const CudaModule*();
inline constexpr const char* kCudaModuleSymbol = "contourfuse_cuda_module";

}  // namespace contourfuse
