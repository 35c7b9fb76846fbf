// Journals and undo files from texts without their own hashes: so they are kept in files, and
// changed by who does not know a hash.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "contourfuse/io/hash.hpp"

namespace contourfuse::test {

/// A journal of these lines of JSON.
inline std::string sealed_journal(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    text.append(hash_text(line)).append(" ").append(line).append("\n");
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return text;
}

/// An undo file whose header has the right hash, in the place of 32 other digits; the same bytes if
/// there is no such place.
inline std::string sealed_undo(std::string file) {
  constexpr std::string_view kBeforeHash = "\"header_xxh3_128\":\"";
  constexpr std::size_t kHashDigits = 32;
  std::uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes) return file;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  if (header_bytes > file.size() - sizeof header_bytes) return file;
  const std::uint64_t head_bytes = sizeof header_bytes + header_bytes;
  const std::size_t before = file.find(kBeforeHash);
  if (before == std::string::npos) return file;
  const std::size_t at = before + kBeforeHash.size();
  if (at + kHashDigits > head_bytes) return file;
  file.replace(at, kHashDigits, kHashDigits, '0');
  return file.replace(at, kHashDigits, hash_text(std::string_view(file).substr(0, head_bytes)));
}

}  // namespace contourfuse::test
