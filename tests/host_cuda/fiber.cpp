// Switches stacks, and tells AddressSanitizer and ThreadSanitizer about it.
#include "host_cuda/fiber.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "host_cuda/race_checker.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what a callee must keep (System V ABI) and the stack pointer, and loads the other side's.
// swapcontext() would do, with a system call for the signal mask each time.
extern "C" void contourfuse_switch_stack(void** save, void* load);
__asm__(R"(
  .text
  .p2align 4
  .type contourfuse_switch_stack, @function
contourfuse_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size contourfuse_switch_stack, . - contourfuse_switch_stack
)");
#endif

namespace contourfuse::host_cuda {
namespace {

// Kernels have no deep calls; a sanitizer's frames are several times the size. Pages that are
// never touched cost nothing.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;
// Below the stack, so that running past it faults instead of writing into something else.
constexpr std::size_t kGuardBytes = 4096;

thread_local Fiber* running_fiber = nullptr;

void announce_switch([[maybe_unused]] StackContext& from, [[maybe_unused]] const StackContext& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.bytes);
#endif
}

// `left` is the side that was switched from; its bounds are learnt here.
void finish_switch([[maybe_unused]] StackContext& here, [[maybe_unused]] StackContext& left) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack, &left.bottom, &left.bytes);
#endif
}

void switch_registers(StackContext& from, StackContext& to) {
#if defined(__x86_64__)
  contourfuse_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.registers, &to.registers);
#endif
}

void prepare(StackContext& context, std::byte* stack, void (*entry)()) {
  context.bottom = stack;
  context.bytes = kStackBytes;
#if defined(__x86_64__)
  // What the first switch pops: six registers, the entry as return address, and above it the
  // null that ends the entry's own backtrace and keeps the ABI's alignment.
  std::array<void*, 8> frame{};
  frame[6] = reinterpret_cast<void*>(entry);
  std::byte* top = stack + kStackBytes - sizeof(frame);
  std::memcpy(top, frame.data(), sizeof(frame));
  context.stack_pointer = top;
#else
  getcontext(&context.registers);
  context.registers.uc_stack.ss_sp = stack;
  context.registers.uc_stack.ss_size = kStackBytes;
  context.registers.uc_link = nullptr;
  makecontext(&context.registers, entry, 0);
#endif
}

}  // namespace

Fiber::Fiber(Work work) : work_(work) {
  void* mapped = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    throw Error(Failure::kFailed, "no-stack",
                fmt::format("no memory for a CUDA thread's stack: {}", std::strerror(errno)));
  }
  mprotect(mapped, kGuardBytes, PROT_NONE);
  stack_ = static_cast<std::byte*>(mapped) + kGuardBytes;
  prepare(own_, stack_, &Fiber::enter);
}

Fiber::~Fiber() {
  if (identity_ != nullptr) race_checker::destroy(identity_);
#if defined(__SANITIZE_ADDRESS__)
  // The entry's frame never ends; the next mapping at this address must not inherit its marks.
  __asan_unpoison_memory_region(stack_, kStackBytes);
#endif
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::resume(bool judged_apart) {
  running_fiber = this;
  judged_apart_ = judged_apart;
  if (judged_apart) {
    if (identity_ == nullptr) identity_ = race_checker::create();
    owner_identity_ = race_checker::self();
    race_checker::become(identity_);
  }
  announce_switch(owner_, own_);
  switch_registers(owner_, own_);
  finish_switch(owner_, own_);
  running_fiber = nullptr;
}

void Fiber::suspend() { running_fiber->switch_to_owner(); }

void Fiber::switch_to_owner() {
  if (judged_apart_) race_checker::become(owner_identity_);
  announce_switch(own_, owner_);
  switch_registers(own_, owner_);
  finish_switch(own_, owner_);
}

void Fiber::enter() {
  Fiber& fiber = *running_fiber;
  finish_switch(fiber.own_, fiber.owner_);
  for (;;) {
    fiber.work_();
    fiber.switch_to_owner();
  }
}

}  // namespace contourfuse::host_cuda
