// The sweep backend over devices.
#include "grid/device_sweep_backend.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "grid/device_grid.hpp"
#include "grid/device_products.hpp"
#include "grid/grid_lane.hpp"

namespace contourfuse {
namespace {

/// Of a device's free memory: the rest is for what the driver and libraries take themselves.
constexpr double kMemoryShare = 0.9;

class DeviceSweepBackend final : public SweepBackend {
 public:
  DeviceSweepBackend(std::vector<device::SweepDevice> devices, const DeviceSweepOptions& options)
      : options_(options), devices_(std::move(devices)) {
    // One lane's worth a device is for products.
    pinned_bytes_ = options.pinned_bytes / (devices_.size() * (options.lanes + 1));
    for (std::uint64_t i = 0; i < options.lanes; ++i) {
      for (const device::SweepDevice& each : devices_) {
        lanes_.push_back(std::make_unique<device::GridLane>(each, pinned_bytes_));
        free_.give(*lanes_.back());
      }
    }
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "cuda"; }

  [[nodiscard]] MatrixGrid measure(const GridJob& job, const Execution& execution) override {
    const Lease lease(free_);
    const device::GridDevice on = lease.lane().grid_device();
    const auto share = static_cast<double>(on.pool.free_bytes()) * kMemoryShare /
                       static_cast<double>(options_.lanes);
    const device::SlicePlan plan =
        device::plan_slices(on.device.name(), job, options_.slice_elements,
                            std::min(static_cast<std::uint64_t>(share), options_.device_bytes));
    return device::DeviceGrid(on, job, execution, plan).run();
  }

  [[nodiscard]] std::unique_ptr<Products> products(const Execution& /*execution*/) override {
    const std::size_t next = next_device_++ % devices_.size();
    return std::make_unique<device::DeviceProducts>(devices_[next], pinned_bytes_);
  }

 private:
  class Lease {
   public:
    explicit Lease(device::FreeLanes& free) : free_(free), lane_(free.take()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { free_.give(lane_); }
    [[nodiscard]] device::GridLane& lane() const noexcept { return lane_; }

   private:
    device::FreeLanes& free_;
    device::GridLane& lane_;
  };

  DeviceSweepOptions options_;
  std::uint64_t pinned_bytes_ = 0;  // of a lane
  std::vector<device::SweepDevice> devices_;
  std::vector<std::unique_ptr<device::GridLane>> lanes_{};
  device::FreeLanes free_{};
  std::atomic<std::size_t> next_device_ = 0;
};

}  // namespace

std::unique_ptr<SweepBackend> make_device_sweep_backend(std::vector<device::SweepDevice> devices,
                                                        const DeviceSweepOptions& options) {
  if (devices.empty()) {
    throw Error(Failure::kUsage, "no-device", "the device sweep backend needs a device");
  }
  return std::make_unique<DeviceSweepBackend>(std::move(devices), options);
}

}  // namespace contourfuse
