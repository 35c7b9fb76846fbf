// A device on the host that does its work as late, or in as bad an order, as streams and events
// allow.
#include "backend/cuda/pipeline/emulated_device.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "host_cuda/launch.hpp"
#include "launch/launch_kernel.cuh"

namespace contourfuse::test {
namespace {

using device::Event;
using device::Stream;

constexpr std::uint64_t kGrain = 256;
/// One warp: idle ones would cost their turns.
constexpr device::LaunchPolicy kPolicy{.moments = 32, .scf = 32, .fold = 32, .generate = 32};

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + kGrain - 1) / kGrain * kGrain; }

void run_kernel(const device::KernelCall& call) {
  const host_cuda::LaunchOptions options{.order = host_cuda::Order::kForward, .check_races = false};
  device::launch_kernel(
      call, kPolicy,
      [&](auto kernel, std::uint64_t blocks, std::uint32_t threads, const auto&... arguments) {
        host_cuda::launch(options, kernel, static_cast<std::uint32_t>(blocks), threads,
                          arguments...);
      });
}

}  // namespace

/// A call that has to be the only one.
class EmulatedDevice::Turn {
 public:
  explicit Turn(EmulatedDevice& device) : device_(device) {
    if (device_.callers_++ != 0) device_.violated("two calls at once");
    const std::uint32_t delay = device_.options_.call_delay_us;
    if (delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { --device_.callers_; }

 private:
  EmulatedDevice& device_;
};

EmulatedDevice::EmulatedDevice(EmulatedDeviceOptions options, DeviceLedger& ledger)
    : options_(std::move(options)), ledger_(ledger), random_(options_.seed) {}

EmulatedDevice::~EmulatedDevice() {
  if (!is_idle()) violated("a device is given up with work under way");
}

void EmulatedDevice::violated(const char* rule) noexcept {
  ++ledger_.violations;
  ADD_FAILURE() << options_.name << ": " << rule;
}

void EmulatedDevice::enter(const char* call) {
  if (++ledger_.calls == ledger_.failing_call) {
    throw Error(Failure::kFailed,
                std::string_view(call).starts_with("allocate") ? "device-memory" : "device-failed",
                fmt::format("{}: {}: told to fail", options_.name, call));
  }
  if (is_lost_) {
    throw Error(Failure::kFailed, "device-failed",
                fmt::format("{}: {}: the device is lost", options_.name, call));
  }
}

std::uint64_t EmulatedDevice::free_memory() {
  const std::lock_guard lock(mutex_);
  enter("free_memory");
  return options_.memory - used_;
}

void* EmulatedDevice::add_block(Blocks& blocks, std::uint64_t bytes) {
  Block block{std::make_unique_for_overwrite<std::byte[]>(bytes), bytes};
  // Not a number, in every type.
  std::memset(block.bytes.get(), 0xFF, bytes);
  std::byte* const memory = block.bytes.get();
  blocks.emplace(memory, std::move(block));
  ++ledger_.allocations;
  return memory;
}

void* EmulatedDevice::allocate(std::uint64_t bytes) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("allocate");
  if (bytes == 0) violated("no bytes are allocated");
  if (used_ + aligned(bytes) > options_.memory) {
    throw Error(Failure::kFailed, "device-memory",
                fmt::format("{}: allocate: {} bytes", options_.name, bytes));
  }
  used_ += aligned(bytes);
  ledger_.device_bytes += bytes;
  return add_block(device_blocks_, bytes);
}

void EmulatedDevice::release(void* memory) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = device_blocks_.find(static_cast<std::byte*>(memory));
  if (found == device_blocks_.end()) return violated("released what was not allocated");
  used_ -= aligned(found->second.size);
  ledger_.device_bytes -= found->second.size;
  device_blocks_.erase(found);
  --ledger_.allocations;
}

void* EmulatedDevice::allocate_pinned(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  enter("allocate_pinned");
  const std::uint64_t now = ledger_.pinned_bytes += bytes;
  std::uint64_t most = ledger_.most_pinned_bytes;
  while (most < now && !ledger_.most_pinned_bytes.compare_exchange_weak(most, now)) {
  }
  return add_block(pinned_blocks_, bytes);
}

void EmulatedDevice::release_pinned(void* memory) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = pinned_blocks_.find(static_cast<std::byte*>(memory));
  if (found == pinned_blocks_.end()) return violated("released what was not pinned");
  if (!is_idle()) violated("pinned memory is released with work under way");
  ledger_.pinned_bytes -= found->second.size;
  pinned_blocks_.erase(found);
  --ledger_.allocations;
}

bool EmulatedDevice::holds(const Blocks& blocks, const void* begin, std::uint64_t bytes) {
  const auto* const from = static_cast<const std::byte*>(begin);
  auto found = blocks.upper_bound(from);
  if (found == blocks.begin()) return false;
  --found;
  return from + bytes <= found->first + found->second.size;
}

void EmulatedDevice::copy_in(Stream stream, void* device, const void* pinned, std::uint64_t bytes) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("copy_in");
  ++ledger_.copies_in;
  if (bytes == 0 || !holds(device_blocks_, device, bytes) ||
      !holds(pinned_blocks_, pinned, bytes)) {
    violated("a copy in from or to elsewhere");
  }
  push(stream, {.work = [=] { std::memcpy(device, pinned, bytes); }});
}

void EmulatedDevice::copy_out(Stream stream, void* pinned, const void* device,
                              std::uint64_t bytes) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("copy_out");
  if (bytes == 0 || !holds(device_blocks_, device, bytes) ||
      !holds(pinned_blocks_, pinned, bytes)) {
    violated("a copy out from or to elsewhere");
  }
  push(stream, {.work = [=] { std::memcpy(pinned, device, bytes); }});
}

void EmulatedDevice::launch(Stream stream, const device::KernelCall& call) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("launch");
  if (std::holds_alternative<device::GenerateCall>(call)) ++ledger_.generated;
  if (std::holds_alternative<device::ScfCall>(call)) ++ledger_.edited;
  push(stream, {.work = [call] { run_kernel(call); }});
}

Event EmulatedDevice::create_event() {
  const std::lock_guard lock(mutex_);
  enter("create_event");
  events_.emplace_back();
  return static_cast<Event>(events_.size() - 1);
}

void EmulatedDevice::record(Stream stream, Event event) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("record");
  EventState& state = events_.at(event);
  state.stream = stream;
  push(stream, {.event = event, .time = ++state.recorded, .is_record = true});
}

void EmulatedDevice::wait(Stream stream, Event event) {
  const Turn turn(*this);
  const std::lock_guard lock(mutex_);
  enter("wait");
  if (events_.at(event).recorded == 0) violated("a wait for an event that was never recorded");
  push(stream, {.event = event, .time = events_.at(event).recorded});
}

void EmulatedDevice::synchronize(Event event) {
  const std::lock_guard lock(mutex_);
  enter("synchronize");
  const EventState& state = events_.at(event);
  if (options_.timing == Timing::kRandom) run_some_at_random();
  if (state.happened < state.recorded && options_.timing == Timing::kOthersFirst) {
    run_all_but(state.stream);
  }
  reach(event, state.recorded);
  if (is_lost_) {
    throw Error(Failure::kFailed, "device-failed",
                fmt::format("{}: synchronize: the device is lost", options_.name));
  }
}

void EmulatedDevice::drain() noexcept {
  const std::lock_guard lock(mutex_);
  for (bool any = true; any;) {
    any = false;
    for (Queue& queue : queues_) {
      while (!queue.empty() && is_runnable(queue)) {
        run_front(queue);
        any = true;
      }
    }
  }
  if (!is_idle()) violated("the streams wait for each other");
}

void EmulatedDevice::begin_stage(std::string_view) noexcept { ++ledger_.open_stages; }
void EmulatedDevice::end_stage() noexcept { --ledger_.open_stages; }

EmulatedDevice::Queue& EmulatedDevice::queue(Stream stream) {
  return queues_[static_cast<std::size_t>(stream)];
}

bool EmulatedDevice::is_runnable(const Queue& queue) const {
  if (queue.empty()) return false;
  const Operation& front = queue.front();
  return front.work || front.is_record || events_[front.event].happened >= front.time;
}

bool EmulatedDevice::is_idle() const {
  return std::all_of(std::begin(queues_), std::end(queues_),
                     [](const Queue& queue) { return queue.empty(); });
}

void EmulatedDevice::push(Stream stream, Operation operation) {
  queue(stream).push_back(std::move(operation));
  if (options_.timing == Timing::kEager) {
    for (bool any = true; any;) {
      any = false;
      for (Queue& each : queues_) {
        while (is_runnable(each)) {
          run_front(each);
          any = true;
        }
      }
    }
  }
  if (options_.timing == Timing::kRandom) run_some_at_random();
}

void EmulatedDevice::run_front(Queue& queue) {
  const Operation operation = std::move(queue.front());
  queue.pop_front();
  if (operation.is_record) events_[operation.event].happened = operation.time;
  if (!operation.work) return;
  if (++ledger_.work == ledger_.failing_work) is_lost_ = true;
  if (is_lost_) return;
  if (options_.delay_us > 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(options_.delay_us));
  }
  operation.work();
}

void EmulatedDevice::run_some_at_random() {
  for (std::uint32_t times = random_() % 4; times > 0; --times) {
    Queue& each = queues_[random_() % device::kStreams];
    if (is_runnable(each)) run_front(each);
  }
}

void EmulatedDevice::run_all_but(Stream stream) {
  for (bool any = true; any;) {
    any = false;
    for (Queue& each : queues_) {
      if (&each == &queue(stream)) continue;
      while (is_runnable(each)) {
        run_front(each);
        any = true;
      }
    }
  }
}

void EmulatedDevice::reach(Event event, std::uint64_t time) {
  while (events_[event].happened < time) {
    Queue& of = queue(events_[event].stream);
    if (of.empty()) return violated("an event has no record left");
    const Operation& front = of.front();
    if (is_runnable(of)) {
      run_front(of);
    } else {
      reach(front.event, front.time);
    }
  }
}

}  // namespace contourfuse::test
