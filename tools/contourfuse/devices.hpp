// Which backends this program can use, and why not the others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/sweep/backend.hpp"

namespace contourfuse {

struct RunFlags;

struct Device {
  std::string backend{};
  std::string name{};  ///< as --device takes it
  std::string description{};
  std::string compute_capability{};       ///< "9.0"; empty for the CPU
  std::optional<std::uint64_t> memory{};  ///< bytes of a GPU
  std::optional<std::string> unusable{};  ///< one line that says why
};

/// The CPU, then every CUDA device, or one entry that says why there is none.
[[nodiscard]] std::vector<Device> find_devices();

/// Empty, or what is wrong with a value of --device.
[[nodiscard]] std::string device_syntax(const std::string& device);

/// Throws Error{kBadInput, "device-unavailable"} for a device that cannot be used.
void require_device(const std::string& device);

/// The backend that checked flags name. "auto" is CUDA if a device can be used, and the CPU with a
/// note on standard error if one should be usable and is not.
[[nodiscard]] std::unique_ptr<Backend> make_backend(const RunFlags& flags);
/// Likewise for a sweep.
[[nodiscard]] std::unique_ptr<SweepBackend> make_sweep_backend(const RunFlags& flags);

}  // namespace contourfuse
