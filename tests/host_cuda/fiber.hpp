// A stack of its own, for a function that is left in the middle and entered again.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace contourfuse::host_cuda {

/// Where one side of a switch goes on, and what AddressSanitizer must know of its stack.
struct StackContext {
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t registers{};
#endif
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  void* fake_stack = nullptr;
};

/// Runs on the host thread that resumes it. Owner and fiber take turns; a fiber is only destroyed
/// while its work is not under way.
class Fiber {
 public:
  using Work = void (*)();

  /// `work` must not throw.
  explicit Fiber(Work work);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Goes on in the work, from its last suspend() or from its start, until it suspends or
  /// returns. The race checker judges it as a thread of its own, or as the caller's.
  void resume(bool judged_apart);

  /// Called by the work of the fiber that runs: goes back to where it was resumed.
  static void suspend();

 private:
  static void enter();
  void switch_to_owner();

  Work work_;
  std::byte* stack_ = nullptr;
  StackContext own_{};
  StackContext owner_{};
  bool judged_apart_ = false;
  void* identity_ = nullptr;  // the race checker's; made when first wanted
  void* owner_identity_ = nullptr;
};

}  // namespace contourfuse::host_cuda
