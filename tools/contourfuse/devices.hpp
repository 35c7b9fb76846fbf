// Which backends this program can use, and why not the others.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

struct Device {
  std::string backend{};
  std::string description{};
  std::optional<std::string> unusable{};  ///< one line that says why
};

/// Every backend that the program knows.
[[nodiscard]] std::vector<Device> find_devices();

/// Empty, or what is wrong with a value of --device.
[[nodiscard]] std::string device_syntax(const std::string& device);

/// Throws Error{kBadInput, "device-unavailable"} for a device that cannot be used.
void require_device(const std::string& device);

/// The backend that a checked value of --device names; "auto" is the best usable one.
[[nodiscard]] std::unique_ptr<Backend> make_backend(const std::string& device);

}  // namespace contourfuse
