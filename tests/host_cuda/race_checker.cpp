// The race checker on ThreadSanitizer's interface for fibers. The library is compiled without
// -fsanitize=thread, so that its own accesses are not judged; the define says what the build is.
#include "host_cuda/race_checker.hpp"

#if defined(CONTOURFUSE_RACE_CHECKER)

#include <sanitizer/tsan_interface.h>

namespace contourfuse::host_cuda::race_checker {

bool available() noexcept { return true; }

void* self() noexcept { return __tsan_get_current_fiber(); }

void* create() noexcept { return __tsan_create_fiber(0); }

void destroy(void* identity) noexcept { __tsan_destroy_fiber(identity); }

void become(void* identity) noexcept {
  __tsan_switch_to_fiber(identity, __tsan_switch_to_fiber_no_sync);
}

void release(void* event) noexcept { __tsan_release(event); }

void acquire(void* event) noexcept { __tsan_acquire(event); }

}  // namespace contourfuse::host_cuda::race_checker

#else

namespace contourfuse::host_cuda::race_checker {

bool available() noexcept { return false; }

void* self() noexcept { return nullptr; }

void* create() noexcept { return nullptr; }

void destroy(void*) noexcept {}

void become(void*) noexcept {}

void release(void*) noexcept {}

void acquire(void*) noexcept {}

}  // namespace contourfuse::host_cuda::race_checker

#endif
