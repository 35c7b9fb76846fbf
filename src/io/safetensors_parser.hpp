// The grammar of a safetensors header, apart from where the payloads lie.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

/// The header starts behind the 8 bytes of its length.
inline constexpr std::uint64_t kLengthBytes = 8;

struct ParsedHeader {
  std::vector<TensorInfo> tensors{};  ///< in the order of the text
  std::vector<ByteRange> entries{};   ///< of each, its bytes in the file, from its name on
  std::map<std::string, std::string> metadata{};
};

/// Parses the text of a header: every rule that can be told without the payload's size, save that a
/// name may still stand twice.
[[nodiscard]] ParsedHeader parse_header_text(std::string_view text, const std::string& file);

}  // namespace contourfuse
