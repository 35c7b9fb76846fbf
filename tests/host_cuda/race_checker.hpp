// ThreadSanitizer's view of CUDA threads; without ThreadSanitizer every function does nothing.
#pragma once

namespace contourfuse::host_cuda::race_checker {

/// Whether this build judges races between CUDA threads.
[[nodiscard]] bool available() noexcept;

/// The identity under which accesses are judged now.
[[nodiscard]] void* self() noexcept;

/// A new identity, which has seen all that the caller's has.
[[nodiscard]] void* create() noexcept;
void destroy(void* identity) noexcept;

/// Judges what follows under `identity`, which learns nothing of the one it replaces.
void become(void* identity) noexcept;

/// What happened before release(event) happens before what follows a later acquire(event).
void release(void* event) noexcept;
void acquire(void* event) noexcept;

}  // namespace contourfuse::host_cuda::race_checker
