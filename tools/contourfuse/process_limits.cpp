// Limits by setrlimit; the reserve goes by the handler of a failing new.
#include "process_limits.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace contourfuse {
namespace {

/// Four for each shard, at the most, of more shards than any model has. Not without end: a command
/// of --evaluate inherits the limit, and some programs walk through all numbers below it.
constexpr rlim_t kEnough = 65536;
/// More than any error takes, and large enough for malloc to give it back to the system.
constexpr std::size_t kReserveBytes = std::size_t{1} << 20;

std::atomic<void*> reserve = nullptr;

void give_reserve() {
  void* const held = reserve.exchange(nullptr);
  if (held == nullptr) throw std::bad_alloc();
  ::operator delete(held);
}

}  // namespace

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, kEnough);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

void reserve_memory() noexcept {
  reserve = ::operator new(kReserveBytes, std::nothrow);
  std::set_new_handler(give_reserve);
}

void leave(int code) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    std::fflush(nullptr);
    std::_Exit(code);
  }
  std::exit(code);
}

}  // namespace contourfuse
