// Random content, and ranges that cover it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"

namespace contourfuse {

inline std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFFU);
  return bytes;
}

inline std::vector<std::byte> content_of(const std::filesystem::path& path) {
  const File file = File::open(path);
  std::vector<std::byte> bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

/// Ranges of 1 to about `longest` bytes that cover [0, bytes) once, in random order; many cuts lie
/// at or beside a block's edge.
inline std::vector<ByteRange> random_pieces(std::uint64_t bytes, std::uint64_t longest,
                                            unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<ByteRange> pieces;
  for (std::uint64_t at = 0; at < bytes;) {
    std::uint64_t end = at + 1 + random() % longest;
    if (random() % 3 == 0) end = end / 4096 * 4096 + random() % 3;
    end = std::min(bytes, std::max(end, at + 1));
    pieces.push_back({at, end});
    at = end;
  }
  std::shuffle(pieces.begin(), pieces.end(), random);
  return pieces;
}

}  // namespace contourfuse
