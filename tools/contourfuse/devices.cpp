// The CPU is always there; why CUDA is not is said in one place.
#include "devices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "automatic_backend.hpp"
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"
#include "contourfuse/backend/cuda/loader.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

constexpr std::string_view kOrdinalsPrefix = "cuda:";
constexpr std::uint64_t kMegabyte = 1'000'000;

std::string name_of(const CudaDeviceFacts& facts) { return fmt::format("cuda:{}", facts.ordinal); }

/// The numbers after "cuda:"; none for "cuda" alone.
std::vector<int> ordinals_in(std::string_view device) {
  std::vector<int> ordinals;
  if (!device.starts_with(kOrdinalsPrefix)) return ordinals;
  const char* at = device.data() + kOrdinalsPrefix.size();
  const char* const end = device.data() + device.size();
  while (at < end) {
    int ordinal = 0;
    at = std::from_chars(at, end, ordinal).ptr + 1;
    ordinals.push_back(ordinal);
  }
  return ordinals;
}

Error unavailable(const std::string& device, const std::string& why) {
  return {Failure::kBadInput,
          "device-unavailable",
          fmt::format("--device {}: {}", device, why),
          {},
          "leave --device out, or use --device cpu: the bits are the same"};
}

/// The device of that ordinal; throws if it cannot be used.
const CudaDeviceFacts& usable_device(const std::string& device, const CudaSearch& found,
                                     int ordinal) {
  const auto facts = std::find_if(found.devices.begin(), found.devices.end(),
                                  [ordinal](const auto& each) { return each.ordinal == ordinal; });
  if (facts == found.devices.end()) {
    std::vector<std::string> names;
    for (const CudaDeviceFacts& each : found.devices) names.push_back(name_of(each));
    throw unavailable(device,
                      fmt::format("there is no cuda:{}; there {} {}", ordinal,
                                  names.size() == 1 ? "is" : "are", fmt::join(names, ", ")));
  }
  if (!facts->unusable.empty()) {
    throw unavailable(device,
                      fmt::format("{}, {}: {}", name_of(*facts), facts->name, facts->unusable));
  }
  return *facts;
}

/// What "cuda" or "cuda:0,2" means among the devices found.
std::vector<int> select_devices(const std::string& device, const CudaSearch& found) {
  if (!found.unusable.empty()) throw unavailable(device, found.unusable);
  std::vector<int> ordinals = ordinals_in(device);
  for (const int ordinal : ordinals) static_cast<void>(usable_device(device, found, ordinal));
  if (!ordinals.empty()) return ordinals;
  for (const CudaDeviceFacts& facts : found.devices) {
    if (facts.unusable.empty()) ordinals.push_back(facts.ordinal);
  }
  return ordinals;
}

using Tell = std::function<void(const std::string&)>;

/// What --device asks for: made on devices, or on the CPU, which "auto" falls back to.
template <class Made>
std::unique_ptr<Made> make_for(
    const RunFlags& flags, std::unique_ptr<Made> (*on_cpu)(),
    const std::function<std::unique_ptr<Made>(std::span<const int>, const Tell&)>& on_devices) {
  if (flags.device == "cpu") return on_cpu();
  const CudaSearch found = find_cuda_devices();
  const Tell tell = [quiet = flags.quiet](const std::string& why) {
    if (!quiet) print_note("the CPU is used: " + why);
  };
  if (flags.device != "auto") return on_devices(select_devices(flags.device, found), tell);
  if (found.unusable.empty()) {
    try {
      return on_devices(select_devices("cuda", found), tell);
    } catch (const Error& error) {
      tell(error.message());
    }
  } else if (!found.absent) {  // where there is no GPU nobody misses it
    tell(found.unusable);
  }
  return on_cpu();
}

Device cuda_device(const CudaDeviceFacts& facts) {
  constexpr double kGigabyte = 1e9;
  Device device;
  device.backend = "cuda";
  device.name = name_of(facts);
  device.compute_capability = fmt::format("{}.{}", facts.major, facts.minor);
  device.memory = facts.memory;
  device.description =
      fmt::format("{}, compute capability {}, {:.1f} GB", facts.name, device.compute_capability,
                  static_cast<double>(facts.memory) / kGigabyte);
  if (!facts.unusable.empty()) device.unusable = fmt::format("{}: {}", facts.name, facts.unusable);
  return device;
}

}  // namespace

std::vector<Device> find_devices() {
  const int threads = Execution{}.thread_count();
  Device cpu;
  cpu.backend = cpu.name = "cpu";
  cpu.description = fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
  std::vector<Device> devices{std::move(cpu)};

  const CudaSearch found = find_cuda_devices();
  for (const CudaDeviceFacts& facts : found.devices) devices.push_back(cuda_device(facts));
  if (found.devices.empty()) {
    Device none;
    none.backend = none.name = "cuda";
    none.description = "NVIDIA GPUs";
    none.unusable = found.unusable;
    devices.push_back(std::move(none));
  }
  return devices;
}

std::string device_syntax(const std::string& device) {
  if (device == "auto" || device == "cpu" || device == "cuda") return {};
  if (device.starts_with(kOrdinalsPrefix)) {
    std::string_view rest = std::string_view(device).substr(kOrdinalsPrefix.size());
    // Ordinals separated by single commas; four digits are more GPUs than a machine has.
    while (!rest.empty()) {
      const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
      if (digits == 0 || digits > 4) break;
      rest.remove_prefix(digits);
      if (rest.empty()) {
        std::vector<int> ordinals = ordinals_in(device);
        std::sort(ordinals.begin(), ordinals.end());
        const auto twice = std::adjacent_find(ordinals.begin(), ordinals.end());
        if (twice == ordinals.end()) return {};
        return fmt::format("\"{}\" names device {} twice", device, *twice);
      }
      if (rest.front() != ',') break;
      rest.remove_prefix(1);
    }
  }
  return fmt::format("\"{}\" is no device: auto, cpu, cuda or cuda:0,2", device);
}

void require_device(const std::string& device) {
  if (!device.starts_with("cuda")) return;
  static_cast<void>(select_devices(device, find_cuda_devices()));
}

std::unique_ptr<Backend> make_backend(const RunFlags& flags) {
  return make_for<Backend>(
      flags, make_cpu_backend, [&flags](std::span<const int> ordinals, const Tell& tell) {
        auto backend = make_cuda_backend(ordinals, flags.pinned_mb * kMegabyte);
        return flags.device == "auto" ? make_automatic_backend(std::move(backend), tell)
                                      : std::move(backend);
      });
}

std::unique_ptr<SweepBackend> make_sweep_backend(const RunFlags& flags) {
  return make_for<SweepBackend>(
      flags, make_cpu_sweep_backend, [&flags](std::span<const int> ordinals, const Tell&) {
        return make_cuda_sweep_backend(ordinals, flags.pinned_mb * kMegabyte);
      });
}

}  // namespace contourfuse
