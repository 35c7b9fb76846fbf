// Execution: the processors of this process, and forwarding to receivers that may be absent.
#include "contourfuse/core/execution.hpp"

#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <thread>

namespace contourfuse {
namespace {

struct CpuSetDeleter {
  void operator()(cpu_set_t* set) const noexcept { CPU_FREE(set); }
};

// Far more processors than any machine has.
constexpr std::size_t kMostProcessors = std::size_t{1} << 20;

int available_processors() {
  // The kernel refuses (EINVAL) a mask shorter than its own, which may exceed sizeof(cpu_set_t).
  for (std::size_t processors = 1024; processors <= kMostProcessors; processors *= 2) {
    const std::unique_ptr<cpu_set_t, CpuSetDeleter> set(CPU_ALLOC(processors));
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    if (set == nullptr) break;
    if (sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    if (errno != EINVAL) break;
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int Execution::thread_count() const {
  if (threads > 0) return threads;
  const int available = available_processors();
  return available > 0 ? available : 1;
}

void Execution::begin(std::string_view stage, std::uint64_t total_bytes) const {
  if (progress != nullptr) progress->begin(stage, total_bytes);
}

void Execution::advance(std::uint64_t bytes) const {
  if (progress != nullptr) progress->advance(bytes);
}

void Execution::end() const {
  if (progress != nullptr) progress->end();
}

void Execution::check_cancelled() const {
  if (cancellation != nullptr) cancellation->check();
}

void Execution::pace(std::uint64_t bytes) const {
  if (rate != nullptr) rate->wait(bytes, cancellation);
}

}  // namespace contourfuse
