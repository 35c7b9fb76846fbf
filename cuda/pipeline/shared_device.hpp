// One device for the two threads of its worker.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "contourfuse/core/trace.hpp"
#include "pipeline/device.hpp"

namespace contourfuse::device {

/// Lets calls take turns, all but those that may come from any thread, and lends the same events to
/// every run.
class SharedDevice final : public Device {
 public:
  explicit SharedDevice(std::unique_ptr<Device> device) : device_(std::move(device)) {}

  /// The events of former runs are free again. Call it when nothing is under way.
  void reclaim_events() noexcept { lent_events_ = 0; }

  [[nodiscard]] std::string name() const override { return device_->name(); }
  [[nodiscard]] std::uint64_t free_memory() override {
    const std::lock_guard turn(turn_);
    return device_->free_memory();
  }
  [[nodiscard]] void* allocate(std::uint64_t bytes) override {
    const std::lock_guard turn(turn_);
    return device_->allocate(bytes);
  }
  void release(void* memory) noexcept override {
    const std::lock_guard turn(turn_);
    device_->release(memory);
  }
  [[nodiscard]] void* allocate_pinned(std::uint64_t bytes) override {
    const std::lock_guard turn(turn_);
    return device_->allocate_pinned(bytes);
  }
  void release_pinned(void* memory) noexcept override {
    const std::lock_guard turn(turn_);
    device_->release_pinned(memory);
  }
  void copy_in(Stream stream, void* device, const void* pinned, std::uint64_t bytes) override {
    const std::lock_guard turn(turn_);
    device_->copy_in(stream, device, pinned, bytes);
  }
  void copy_out(Stream stream, void* pinned, const void* device, std::uint64_t bytes) override {
    const std::lock_guard turn(turn_);
    device_->copy_out(stream, pinned, device, bytes);
  }
  void launch(Stream stream, const KernelCall& call) override {
    const std::lock_guard turn(turn_);
    device_->launch(stream, call);
  }
  [[nodiscard]] Event create_event() override {
    const std::lock_guard turn(turn_);
    if (lent_events_ == events_.size()) events_.push_back(device_->create_event());
    return events_[lent_events_++];
  }
  void record(Stream stream, Event event) override {
    const std::lock_guard turn(turn_);
    device_->record(stream, event);
  }
  void wait(Stream stream, Event event) override {
    const std::lock_guard turn(turn_);
    device_->wait(stream, event);
  }
  void synchronize(Event event) override { device_->synchronize(event); }
  void drain() noexcept override {
    const std::lock_guard turn(turn_);
    device_->drain();
  }
  void begin_stage(std::string_view name) noexcept override { device_->begin_stage(name); }
  void end_stage() noexcept override { device_->end_stage(); }

  /// Where the stages of a run are recorded; null: nowhere.
  void set_trace(Trace* trace) noexcept { trace_ = trace; }
  [[nodiscard]] Trace* trace() const noexcept { return trace_; }

 private:
  const std::unique_ptr<Device> device_;
  Trace* trace_ = nullptr;
  std::mutex turn_{};
  std::vector<Event> events_{};
  std::size_t lent_events_ = 0;
};

/// A stage of the calling thread for a profiler and for --profile, as long as this lives. `bytes`
/// of a transfer; launching kernels moves none.
class Stage {
 public:
  Stage(SharedDevice& device, const char* name, std::uint64_t bytes = 0)
      : device_(device), traced_(device.trace(), name, bytes) {
    device_.begin_stage(name);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() { device_.end_stage(); }

 private:
  SharedDevice& device_;
  TracedStage traced_;
};

}  // namespace contourfuse::device
