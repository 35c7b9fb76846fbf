// Error: composing the one line that a person reads.
#include "contourfuse/core/error.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string_view>
#include <utility>

namespace contourfuse {
namespace {

// A tensor name may be as long as a header; a line of this length still names it.
constexpr std::size_t kLongestNameShown = 200;

// Names come from untrusted files: control characters, C1 ones (C2 80 … C2 9F in UTF-8) included,
// must not reach a terminal or break the line.
void append_printable(std::string& line, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1_control = byte == 0xC2 && i + 1 < text.size() &&
                            static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                            static_cast<unsigned char>(text[i + 1]) <= 0x9F;
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else if (c1_control) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}",
                     static_cast<unsigned>(static_cast<unsigned char>(text[i + 1])));
      ++i;
    } else {
      line.push_back(text[i]);
    }
  }
}

// The first bytes of `text`, not ending inside a UTF-8 sequence.
std::string_view head_of(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

std::string compose(const std::string& message, const Place& place) {
  std::string line;
  const auto separate = [&line](std::string_view separator) {
    if (!line.empty()) line += separator;
  };
  append_printable(line, place.file);
  if (!place.tensor.empty()) {
    separate(": ");
    line += "tensor \"";
    const std::string_view shown = head_of(place.tensor, kLongestNameShown);
    append_printable(line, shown);
    if (shown.size() < place.tensor.size()) line += "…";
    line += '"';
  }
  if (place.bytes) {
    separate(place.tensor.empty() ? ": " : ", ");
    fmt::format_to(std::back_inserter(line), "bytes [{}, {})", place.bytes->begin,
                   place.bytes->end);
  }
  separate(": ");
  append_printable(line, message);
  return line;
}

}  // namespace

Error::Error(Failure failure, std::string kind, std::string message, Place place, std::string hint)
    : std::runtime_error(compose(message, place)),
      failure_(failure),
      kind_(std::move(kind)),
      message_(std::move(message)),
      place_(std::move(place)),
      hint_(std::move(hint)) {}

}  // namespace contourfuse
