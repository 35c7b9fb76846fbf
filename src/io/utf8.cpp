// UTF-8 by the table of well-formed sequences (Unicode, table 3-7).
#include "utf8.hpp"

#include <cstring>

namespace contourfuse {
namespace {

struct Lead {
  std::size_t length;    // of the whole sequence, 0 if the byte cannot lead one
  unsigned char lowest;  // of the second byte
  unsigned char highest;
};

constexpr Lead lead_of(unsigned char byte) noexcept {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};  // lower ones are overlong
  if (byte == 0xED) return {3, 0x80, 0x9F};  // higher ones are surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // nothing past U+10FFFF
  return {0, 0, 0};
}

constexpr bool is_continuation(unsigned char byte) noexcept { return (byte & 0xC0U) == 0x80U; }

}  // namespace

std::optional<std::uint64_t> find_invalid_utf8(std::string_view text) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  const auto byte_at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t i = 0;
  while (i < text.size()) {
    // Almost all of a header is ASCII: eight bytes at a time.
    std::uint64_t eight = 0;
    if (text.size() - i >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + i, sizeof(eight));
      if ((eight & kHighBits) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    const Lead lead = lead_of(byte_at(i));
    if (lead.length == 0 || lead.length > text.size() - i) return i;
    if (lead.length > 1 && (byte_at(i + 1) < lead.lowest || byte_at(i + 1) > lead.highest)) {
      return i;
    }
    for (std::size_t k = 2; k < lead.length; ++k) {
      if (!is_continuation(byte_at(i + k))) return i;
    }
    i += lead.length;
  }
  return std::nullopt;
}

std::string shortened(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && is_continuation(static_cast<unsigned char>(text[bytes]))) --bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

}  // namespace contourfuse
