// The backend over devices: a worker to each, all fed from one queue.
#include "pipeline/device_backend.hpp"

#include <tbb/global_control.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "pipeline/drainer.hpp"
#include "pipeline/feeder.hpp"
#include "pipeline/worker.hpp"

namespace contourfuse {
namespace {

using device::SharedDevice;

/// One run of a job.
class Run {
 public:
  Run(const FuseJob& job, const Execution& execution, const device::PinnedPlan& pinned,
      std::uint64_t device_bytes)
      : job_(job),
        execution_(execution),
        pinned_(pinned),
        device_bytes_(device_bytes),
        files_(job, execution, stop_, finished_),
        sections_(job, pinned.slot_bytes) {}

  FuseResults execute(std::vector<std::unique_ptr<SharedDevice>>& devices) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(execution_.thread_count()));
    std::uint64_t total = 0;
    for (const ShardJob& shard : job_.shards) total += shard.bytes - shard.begin;
    execution_.begin("fuse", total);
    for (std::size_t i = 0; i < job_.matrices.size(); ++i) add_empty(i);
    files_.finish_empty();
    {
      std::vector<std::jthread> threads;
      answer_for([&] {
        for (const auto& device : devices) {
          threads.emplace_back([this, &device] { answer_for([&] { work_on(*device); }); });
        }
      });
    }
    if (failure_) std::rethrow_exception(failure_);
    execution_.end();
    files_.add_transfers(results_);
    return std::move(results_);
  }

 private:
  void work_on(SharedDevice& device) {
    const device::RunParts parts{job_, execution_, stop_, files_, sections_, finished_};
    device.reclaim_events();
    device.set_trace(execution_.trace);
    device::Worker worker(parts, device, pinned_, device_bytes_);
    const std::jthread drainer([&] { answer_for([&] { device::Drainer(worker).work(); }); });
    answer_for([&] { device::Feeder(worker).work(); });
  }

  /// Ends the whole run if `work` fails.
  template <class Work>
  void answer_for(Work work) {
    try {
      work();
    } catch (const Abandoned&) {
      // The thread that failed has said why.
    } catch (...) {
      {
        const std::lock_guard lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      stop_.request();
    }
  }

  /// The result of a matrix without elements, which no worker has seen.
  void add_empty(std::size_t index) {
    const MatrixJob& matrix = job_.matrices[index];
    if (matrix.rows != 0 && matrix.cols != 0) return;
    matrix.delta->release();
    MatrixResult result = matrix_result(matrix, job_.numbers, {}, {});
    result.weight_hash = Hash128().hex();
    if (matrix.delta->stored()) result.delta_hash = Hash128().hex();
    finished_.add_matrix(index, std::move(result));
  }

  const FuseJob& job_;
  const Execution& execution_;
  const device::PinnedPlan pinned_;
  const std::uint64_t device_bytes_;
  Stop stop_{};
  FuseResults results_{};
  FinishedShards finished_{job_, results_};
  device::ShardFiles files_;
  device::SectionQueue sections_;
  std::mutex failure_mutex_{};
  std::exception_ptr failure_{};
};

class DeviceBackend final : public Backend {
 public:
  DeviceBackend(std::vector<std::unique_ptr<device::Device>> devices,
                const DeviceBackendOptions& options)
      : options_(options) {
    for (auto& device : devices) {
      devices_.push_back(std::make_unique<SharedDevice>(std::move(device)));
    }
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "cuda"; }

  FuseResults run(const FuseJob& job, const Execution& execution) override {
    // The same for all: one device's waiting output takes no slot of another.
    const device::PinnedPlan pinned =
        device::plan_pinned(options_.pinned_bytes / devices_.size(), options_.slot_bytes);
    return Run(job, execution, pinned, options_.device_bytes).execute(devices_);
  }

 private:
  DeviceBackendOptions options_;
  std::vector<std::unique_ptr<SharedDevice>> devices_{};
};

}  // namespace

std::unique_ptr<Backend> make_device_backend(std::vector<std::unique_ptr<device::Device>> devices,
                                             const DeviceBackendOptions& options) {
  if (devices.empty()) {
    throw Error(Failure::kUsage, "no-device", "the device backend needs a device");
  }
  return std::make_unique<DeviceBackend>(std::move(devices), options);
}

}  // namespace contourfuse
