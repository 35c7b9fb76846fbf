// A read-only mapping of (the head of) a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// Maps the first `bytes` of a file read-only. A page that is not there any more when it is touched
/// raises SIGBUS: bytes leave a mapping through copy() alone, which takes that in its stride.
///
/// The first mapping of a process installs a handler of SIGBUS for good. It ends a copy() of its
/// own thread that touched such a page, and hands every other signal to the handler that was there
/// before; a program that sets one of its own later must hand on to this one likewise.
class MappedFile {
 public:
  MappedFile(const File& file, std::uint64_t bytes);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }
  /// Copies from `offset` on. False, and what `out` holds is undefined, if not all of the range is
  /// mapped, or a page of it is not there any more (file truncated) or cannot be read. A file that
  /// was truncated inside of its last page still has that page, and zeros to its end: whoever is
  /// not to take these for data asks for the file's size afterwards.
  [[nodiscard]] bool copy(std::uint64_t offset, std::span<std::byte> out) const noexcept;

 private:
  std::span<const std::byte> bytes_{};
};

}  // namespace contourfuse
