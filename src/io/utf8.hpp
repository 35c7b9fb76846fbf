// UTF-8, checked strictly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace contourfuse {

/// Offset of the first byte that starts no well-formed sequence (RFC 3629: no overlong form, no
/// surrogate, nothing past U+10FFFF), or nothing if all is well.
[[nodiscard]] std::optional<std::uint64_t> find_invalid_utf8(std::string_view text) noexcept;

/// `text`, or if it is longer than `bytes` its beginning, not cut inside a sequence, and "…".
[[nodiscard]] std::string shortened(std::string_view text, std::size_t bytes = 80);

}  // namespace contourfuse
