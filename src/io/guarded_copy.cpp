// The handler of SIGBUS, and the copies that it ends.
#include "guarded_copy.hpp"

#include <ucontext.h>

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace contourfuse {
namespace {

struct GuardedCopy {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  sigjmp_buf back{};
};

// The copy under way in this thread. Initialised statically and of a trivial type, so that the
// handler may look at it at any moment.
constinit thread_local GuardedCopy* volatile under_way = nullptr;
// Written once, before the handler can run.
struct sigaction previous_action {};

void hand_on(int signal, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill(), and not by a fault
  if (previous_action.sa_handler == SIG_IGN && sent) return;
  if (previous_action.sa_handler != SIG_IGN && previous_action.sa_handler != SIG_DFL) {
    previous_action.sa_handler(signal);
    return;
  }
  // The signal's default ends the process: at once, or when the fault is met again.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  if (sent) ::raise(signal);
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  GuardedCopy* const copy = under_way;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const bool fault = info->si_code > 0;
  if (fault && copy != nullptr && address >= copy->begin && address - copy->begin < copy->bytes) {
    // A handler that is left by a jump leaves blocked what was blocked for it.
    ::pthread_sigmask(SIG_SETMASK, &static_cast<const ucontext_t*>(context)->uc_sigmask, nullptr);
    // Out of a memcpy alone: no destructor is skipped, and a memcpy may be left at any point.
    siglongjmp(copy->back, 1);
  }
  hand_on(signal, info, context);
}

}  // namespace

void install_copy_guard() {
  static std::once_flag installed;
  std::call_once(installed, [] {
    ::sigaction(SIGBUS, nullptr, &previous_action);
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, nullptr);
  });
}

bool copy_guarded(std::span<const std::byte> from, std::span<std::byte> out) noexcept {
  if (from.empty()) return true;
  GuardedCopy copy{.begin = reinterpret_cast<std::uintptr_t>(from.data()), .bytes = from.size()};
  volatile bool whole = false;
  if (sigsetjmp(copy.back, 0) == 0) {
    under_way = &copy;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    std::memcpy(out.data(), from.data(), from.size());
    std::atomic_signal_fence(std::memory_order_seq_cst);
    whole = true;
  }
  under_way = nullptr;
  return whole;
}

}  // namespace contourfuse
