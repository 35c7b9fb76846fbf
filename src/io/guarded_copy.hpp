// A copy out of a mapping that survives pages which are not there.
#pragma once

#include <cstddef>
#include <span>

namespace contourfuse {

/// Installs the handler of SIGBUS that copy_guarded needs; later calls do nothing.
void install_copy_guard();

/// Copies `from` to the beginning of `out`, which is at least as long. False if a page of `from`
/// raised SIGBUS; what `out` holds is then undefined.
[[nodiscard]] bool copy_guarded(std::span<const std::byte> from, std::span<std::byte> out) noexcept;

}  // namespace contourfuse
