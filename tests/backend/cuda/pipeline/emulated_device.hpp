// A device on the host that does its work as late, or in as bad an order, as streams and events
// allow.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "pipeline/device.hpp"

namespace contourfuse::test {

/// When queued work is done.
enum class Timing : std::uint8_t {
  kEager,        ///< as soon as events allow
  kLate,         ///< only when somebody waits for it, and no more than that needs
  kOthersFirst,  ///< when somebody waits, after all else that events allow
  kRandom,       ///< drawn by seed, at every call
};
inline constexpr Timing kTimings[] = {Timing::kEager, Timing::kLate, Timing::kOthersFirst,
                                      Timing::kRandom};

/// What all devices of a test share: what they were given and gave, and which call is to fail.
struct DeviceLedger {
  static constexpr std::uint64_t kNever = 0;
  std::uint64_t failing_call = kNever;  ///< this one, of all devices' calls, counted from 1
  std::uint64_t failing_work = kNever;  ///< this queued operation loses its device
  std::atomic<std::uint64_t> calls = 0;
  std::atomic<std::uint64_t> work = 0;
  std::atomic<std::int64_t> allocations = 0;  ///< that live
  std::atomic<std::uint64_t> device_bytes = 0;
  std::atomic<std::uint64_t> pinned_bytes = 0;
  std::atomic<std::uint64_t> most_pinned_bytes = 0;
  std::atomic<int> open_stages = 0;
  std::atomic<int> copies_in = 0;
  std::atomic<int> generated = 0;  ///< launches
  std::atomic<int> edited = 0;
  std::atomic<int> violations = 0;  ///< of what Device asks of its callers
};

struct EmulatedDeviceOptions {
  std::string name = "emulated:0";
  Timing timing = Timing::kLate;
  std::uint32_t seed = 1;
  std::uint64_t memory = std::uint64_t{64} << 20;
  std::uint32_t delay_us = 0;       ///< of every operation
  std::uint32_t call_delay_us = 0;  ///< of every call that has to take its turn
};

class EmulatedDevice final : public device::Device {
 public:
  EmulatedDevice(EmulatedDeviceOptions options, DeviceLedger& ledger);
  ~EmulatedDevice() override;

  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::uint64_t free_memory() override;
  [[nodiscard]] void* allocate(std::uint64_t bytes) override;
  void release(void* memory) noexcept override;
  [[nodiscard]] void* allocate_pinned(std::uint64_t bytes) override;
  void release_pinned(void* memory) noexcept override;
  void copy_in(device::Stream stream, void* device, const void* pinned,
               std::uint64_t bytes) override;
  void copy_out(device::Stream stream, void* pinned, const void* device,
                std::uint64_t bytes) override;
  void launch(device::Stream stream, const device::KernelCall& call) override;
  [[nodiscard]] device::Event create_event() override;
  void record(device::Stream stream, device::Event event) override;
  void wait(device::Stream stream, device::Event event) override;
  void synchronize(device::Event event) override;
  void drain() noexcept override;
  void begin_stage(std::string_view name) noexcept override;
  void end_stage() noexcept override;

 private:
  /// An exact-size block of the heap.
  struct Block {
    std::unique_ptr<std::byte[]> bytes{};
    std::uint64_t size = 0;
  };
  using Blocks = std::map<const std::byte*, Block>;
  struct EventState {
    std::uint64_t recorded = 0;  ///< times
    std::uint64_t happened = 0;  ///< the last time that did
    device::Stream stream{};     ///< of the last time
  };
  struct Operation {
    std::function<void()> work{};  ///< none: a record or a wait
    device::Event event = 0;
    std::uint64_t time = 0;  ///< of the event
    bool is_record = false;
  };
  using Queue = std::deque<Operation>;

  class Turn;
  void enter(const char* call);
  void push(device::Stream stream, Operation operation);
  [[nodiscard]] Queue& queue(device::Stream stream);
  [[nodiscard]] static bool holds(const Blocks& blocks, const void* begin, std::uint64_t bytes);
  [[nodiscard]] bool is_runnable(const Queue& queue) const;
  [[nodiscard]] bool is_idle() const;
  void run_front(Queue& queue);
  void run_some_at_random();
  void run_all_but(device::Stream stream);
  void reach(device::Event event, std::uint64_t time);
  void* add_block(Blocks& blocks, std::uint64_t bytes);
  void violated(const char* rule) noexcept;

  const EmulatedDeviceOptions options_;
  DeviceLedger& ledger_;
  std::atomic<int> callers_ = 0;
  mutable std::mutex mutex_{};
  std::mt19937 random_;
  Queue queues_[device::kStreams];
  std::vector<EventState> events_{};
  Blocks device_blocks_{};
  Blocks pinned_blocks_{};
  std::uint64_t used_ = 0;
  bool is_lost_ = false;
};

}  // namespace contourfuse::test
