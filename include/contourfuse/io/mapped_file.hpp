// A read-only mapping of (the head of) a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// Maps the first `bytes` of a file read-only. Reading past a file that was truncated after the
/// mapping was made raises SIGBUS: map only what is parsed at once (headers), and see File::read
/// for bulk data.
class MappedFile {
 public:
  MappedFile(const File& file, std::uint64_t bytes);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_{};
};

}  // namespace contourfuse
