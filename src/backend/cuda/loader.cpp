// The module is opened late and never closed: backends are made of its code.
#include "contourfuse/backend/cuda/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/shared_library.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPathVariable = "CONTOURFUSE_CUDA_MODULE";
constexpr const char* kFileName = "libcontourfuse_cuda.so";

std::string no_file(std::span<const fs::path> paths) {
  if (::secure_getenv(kPathVariable) != nullptr && paths.size() == 1) {
    return fmt::format("{} names {}, which does not exist", kPathVariable, paths.front().string());
  }
  return fmt::format(
      "this program was built without its CUDA module ({}), which needs nvcc of the CUDA Toolkit",
      kFileName);
}

}  // namespace

std::vector<fs::path> cuda_module_paths() {
  if (const char* path = ::secure_getenv(kPathVariable)) return {fs::path(path)};
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  std::vector<fs::path> paths;
  for (const char* folder : {"../lib", CONTOURFUSE_LIBRARY_FROM_PROGRAM}) {
    fs::path path = (program.parent_path() / folder / kFileName).lexically_normal();
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

CudaLoad load_cuda_module(std::span<const fs::path> paths) {
  const auto path = std::find_if(paths.begin(), paths.end(), [](const fs::path& candidate) {
    std::error_code ignored;
    return fs::exists(candidate, ignored);
  });
  if (path == paths.end()) return {nullptr, no_file(paths), true};

  std::optional<SharedLibrary> library;
  try {
    // An absolute path, since a bare name would be searched for elsewhere.
    library.emplace(std::array{fs::absolute(*path).string()});
  } catch (const SharedLibraryError& error) {
    return {nullptr, fmt::format("the CUDA module cannot be loaded: {}", error.what()), false};
  }
  CudaModuleFunction* function = nullptr;
  try {
    library->find(kCudaModuleSymbol, function);
  } catch (const SharedLibraryError&) {
    return {nullptr, fmt::format("{} is no CUDA module of contourfuse", path->string()), false};
  }
  const CudaModule* const module = function();
  if (std::string_view(module->version) != CONTOURFUSE_VERSION) {
    return {nullptr,
            fmt::format("the CUDA module {} is of version {}, this program of version {}",
                        path->string(), module->version, CONTOURFUSE_VERSION),
            false};
  }
  return {module, {}, false};
}

namespace {

const CudaModule& loaded_module() {
  const CudaLoad load = load_cuda_module(cuda_module_paths());
  if (load.module == nullptr) {
    throw Error(Failure::kBadInput, "device-unavailable", load.unusable);
  }
  return *load.module;
}

}  // namespace

CudaSearch find_cuda_devices() {
  const CudaLoad load = load_cuda_module(cuda_module_paths());
  if (load.module == nullptr) return {{}, load.unusable, load.absent};
  return load.module->find();
}

std::unique_ptr<Backend> make_cuda_backend(std::span<const int> ordinals,
                                           std::uint64_t pinned_bytes) {
  return loaded_module().make_backend(ordinals, pinned_bytes);
}

std::unique_ptr<SweepBackend> make_cuda_sweep_backend(std::span<const int> ordinals,
                                                      std::uint64_t pinned_bytes) {
  return loaded_module().make_sweep_backend(ordinals, pinned_bytes);
}

}  // namespace contourfuse
