// Reading the bulk of a file in the way that was asked for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/mapped_file.hpp"
#include "contourfuse/io/page_buffer.hpp"

namespace contourfuse {

enum class ReadMethod : std::uint8_t {
  kAuto,    ///< as kPread
  kPread,   ///< through the page cache
  kMmap,    ///< from a mapping (mapped_file.hpp)
  kDirect,  ///< past the page cache, where the filesystem can
};

/// One file. Thread-safe.
class BulkReader {
 public:
  /// `bytes`: of the file, at most. `file` outlives it.
  BulkReader(const File& file, std::uint64_t bytes, ReadMethod method);

  /// Fills `out` from `offset`: from the mapping if there is one, else through the page cache. An
  /// early end of file is an error by every method (File::read).
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// The same, past the page cache if so asked. `out` must be PageBuffer::place(offset, …): what
  /// else stands in its first and last block is overwritten.
  void read_in_place(std::uint64_t offset, std::span<std::byte> out) const;

  /// Whether read_in_place goes past the page cache.
  [[nodiscard]] bool direct() const noexcept { return direct_ && !refused_; }
  /// Whether that was asked for, and the filesystem refuses it.
  [[nodiscard]] bool refused() const noexcept { return refused_; }
  [[nodiscard]] const File& file() const noexcept { return file_; }

 private:
  const File& file_;
  std::optional<MappedFile> mapping_{};
  std::optional<File> direct_{};
  mutable std::atomic<bool> refused_ = false;
};

/// One reader a file.
class BulkReaders {
 public:
  explicit BulkReaders(ReadMethod method) : method_(method) {}
  /// The reader of `file`, whose first `bytes` are to be read; both outlive its use.
  const BulkReader& of(const File& file, std::uint64_t bytes);
  /// One that of() has made.
  [[nodiscard]] const BulkReader& known(const File& file) const { return readers_.at(&file); }
  /// A file whose filesystem refused to be read past its cache; null if there is none.
  [[nodiscard]] const File* refused() const noexcept;

 private:
  ReadMethod method_;
  std::map<const File*, BulkReader> readers_{};
};

}  // namespace contourfuse
