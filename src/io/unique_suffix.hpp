// Names that no other run uses.
#pragma once

#include <string>

namespace contourfuse {

/// 16 random hexadecimal digits, from the kernel.
[[nodiscard]] std::string unique_suffix();

}  // namespace contourfuse
