// The backend over devices: a worker to each, all fed from one queue.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "contourfuse/fusion/backend.hpp"
#include "pipeline/device.hpp"

namespace contourfuse {

struct DeviceBackendOptions {
  std::uint64_t pinned_bytes = std::uint64_t{1} << 30;  ///< for all devices together
  std::uint64_t slot_bytes = std::uint64_t{16} << 20;   ///< of one transfer, at most
  /// Of each device's memory, at most.
  std::uint64_t device_bytes = std::numeric_limits<std::uint64_t>::max();
};

/// Results are those of the CPU backend, bit for bit; `bytes_read` counts what was really read.
/// Needs one device or more.
[[nodiscard]] std::unique_ptr<Backend> make_device_backend(
    std::vector<std::unique_ptr<device::Device>> devices, const DeviceBackendOptions& options);

}  // namespace contourfuse
