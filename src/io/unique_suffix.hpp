// Names that no other run uses.
#pragma once

#include <cstddef>
#include <string>

namespace contourfuse {

inline constexpr std::size_t kSuffixDigits = 16;
/// Random hexadecimal digits, from the kernel.
[[nodiscard]] std::string unique_suffix();

}  // namespace contourfuse
