// The CPU is always there; why CUDA is not is said in one place.
#include "devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

/// Why no CUDA device can be used.
std::optional<std::string> cuda_unusable_reason() { return "this program has no CUDA backend yet"; }

}  // namespace

std::vector<Device> find_devices() {
  const int threads = Execution{}.thread_count();
  return {
      {"cpu", fmt::format("{} thread{}", threads, threads == 1 ? "" : "s"), std::nullopt},
      {"cuda", "NVIDIA GPUs", cuda_unusable_reason()},
  };
}

std::string device_syntax(const std::string& device) {
  if (device == "auto" || device == "cpu" || device == "cuda") return {};
  constexpr std::string_view kPrefix = "cuda:";
  if (device.starts_with(kPrefix)) {
    std::string_view rest = std::string_view(device).substr(kPrefix.size());
    // Ordinals separated by single commas; four digits are more GPUs than a machine has.
    while (!rest.empty()) {
      const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
      if (digits == 0 || digits > 4) break;
      rest.remove_prefix(digits);
      if (rest.empty()) return {};
      if (rest.front() != ',') break;
      rest.remove_prefix(1);
    }
  }
  return fmt::format("\"{}\" is no device: auto, cpu, cuda or cuda:0,2", device);
}

void require_device(const std::string& device) {
  if (!device.starts_with("cuda")) return;
  if (const auto reason = cuda_unusable_reason()) {
    throw Error(Failure::kBadInput, "device-unavailable",
                fmt::format("--device {}: {}", device, *reason), {},
                "leave --device out, or use --device cpu: the bits are the same");
  }
}

std::unique_ptr<Backend> make_backend(const std::string& device) {
  require_device(device);
  return make_cpu_backend();
}

}  // namespace contourfuse
