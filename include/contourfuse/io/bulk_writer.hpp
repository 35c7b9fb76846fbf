// Writing a file that is to equal another one in most places.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "contourfuse/io/clone.hpp"
#include "contourfuse/io/direct_writer.hpp"
#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// One file that pieces cover once, in any order: each is copied or written. Thread-safe but for
/// finish().
class BulkWriter {
 public:
  /// `bytes`: the size of both files. `copying` is what clone_or_choose() said of them, or kWrite.
  /// Both outlive it.
  BulkWriter(const File& source, File& target, std::uint64_t bytes, CopyMethod copying,
             bool direct);

  /// Whether pieces must be PageBuffer::place(offset, …): what else stands in their first and last
  /// block is overwritten then.
  [[nodiscard]] bool in_place() const noexcept { return direct_.has_value(); }
  /// Whether copy() moves nothing, as far as is known.
  [[nodiscard]] bool copies_by_itself() const noexcept { return copying_ != CopyMethod::kWrite; }
  void write(std::uint64_t offset, std::span<std::byte> piece);
  /// `piece` is as it stands in the source.
  void copy(std::uint64_t offset, std::span<std::byte> piece);
  /// After all pieces.
  void finish();

  [[nodiscard]] const File& target() const noexcept { return target_; }
  /// Whether the filesystem refused to be written past its cache.
  [[nodiscard]] bool refused() const noexcept { return direct_ && direct_->refused(); }
  /// Bytes that went through this process, and those that the filesystem took over by itself.
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
  [[nodiscard]] std::uint64_t cloned() const noexcept { return cloned_; }

 private:
  const File& source_;
  File& target_;
  std::atomic<CopyMethod> copying_;
  std::optional<DirectWriter> direct_{};
  std::atomic<std::uint64_t> written_ = 0;
  std::atomic<std::uint64_t> cloned_ = 0;
};

}  // namespace contourfuse
