// A module with two devices, of which one is too old and neither has memory; FAKE_CUDA_FAILS says
// when that comes out: making the backend (default), "run" at the start of a run, "late" in it.
// With FAKE_CUDA_DEVICES=visible one device for each entry of CUDA_VISIBLE_DEVICES instead.
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "contourfuse/backend/cuda/module.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

/// As the runtime does it: those entries alone, and counted from 0 again.
CudaSearch find_visible(const char* entries) {
  CudaSearch search;
  std::istringstream list(entries == nullptr ? "" : entries);
  for (std::string entry; std::getline(list, entry, ',');) {
    const int ordinal = static_cast<int>(search.devices.size());
    search.devices.push_back({ordinal, "Fake GPU " + entry, 9, 0, 80'000'000'000, {}});
  }
  if (search.devices.empty()) search.unusable = "CUDA_VISIBLE_DEVICES names no device";
  return search;
}

CudaSearch find() {
  if (std::getenv("FAKE_CUDA_DEVICES") != nullptr) {
    return find_visible(std::getenv("CUDA_VISIBLE_DEVICES"));
  }
  CudaSearch search;
  search.devices.push_back({0, "Fake GPU", 9, 0, 80'000'000'000, {}});
  search.devices.push_back({2, "Old GPU", 6, 1, 8'000'000'000, "it is too old"});
  return search;
}

Error no_memory(const std::string& when) {
  return {Failure::kFailed, "device-memory", "cuda:0, Fake GPU: no memory " + when};
}

class FailingBackend final : public Backend {
 public:
  explicit FailingBackend(bool late) : late_(late) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
  FuseResults run(const FuseJob&, const Execution& execution) override {
    if (late_) execution.advance(1);
    throw no_memory(late_ ? "late" : "at the start");
  }

 private:
  bool late_;
};

class FailingSweepBackend final : public SweepBackend {
 public:
  explicit FailingSweepBackend(bool late) : late_(late) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
  MatrixGrid measure(const GridJob&, const Execution& execution) override {
    if (late_) execution.advance(1);
    throw no_memory(late_ ? "late" : "at the start");
  }
  std::unique_ptr<Products> products(const Execution&) override { throw no_memory("for products"); }

 private:
  bool late_;
};

/// A backend of either kind.
template <class Failing>
std::unique_ptr<Failing> make(std::uint64_t pinned_bytes) {
  const char* when = std::getenv("FAKE_CUDA_FAILS");
  if (when == nullptr) throw no_memory("beside " + std::to_string(pinned_bytes) + " bytes");
  return std::make_unique<Failing>(std::string_view(when) == "late");
}

std::unique_ptr<Backend> make_backend(std::span<const int>, std::uint64_t pinned_bytes) {
  return make<FailingBackend>(pinned_bytes);
}
std::unique_ptr<SweepBackend> make_sweep_backend(std::span<const int>, std::uint64_t pinned_bytes) {
  return make<FailingSweepBackend>(pinned_bytes);
}

CudaModule module{CONTOURFUSE_VERSION, find, make_backend, make_sweep_backend};

}  // namespace
}  // namespace contourfuse

extern "C" [[gnu::visibility("default")]] const contourfuse::CudaModule* contourfuse_cuda_module();
extern "C" const contourfuse::CudaModule* contourfuse_cuda_module() {
  const char* version = std::getenv("FAKE_CUDA_VERSION");
  contourfuse::module.version = version == nullptr ? CONTOURFUSE_VERSION : version;
  return &contourfuse::module;
}
