// Writing a file past the page cache, in pieces that end anywhere.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/page_buffer.hpp"

namespace contourfuse {

/// One file that pieces cover once, in any order. Whole blocks go out at once; a block that pieces
/// share waits here for all its bytes, and goes out with the piece that brings the last ones. The
/// file is never longer than in the end. Thread-safe but for finish().
class DirectWriter {
 public:
  /// `bytes`: the file's size in the end. `target` outlives it.
  DirectWriter(File& target, std::uint64_t bytes);

  /// Writes `piece`, which must be PageBuffer::place(offset, …): what else stands in its first and
  /// last block is overwritten.
  void write(std::uint64_t offset, std::span<std::byte> piece);
  /// The same for bytes that the file holds already: only blocks shared with written ones go out.
  void keep(std::uint64_t offset, std::span<std::byte> piece);
  /// After all pieces.
  void finish();

  /// Whether the filesystem refuses it; all is written through the page cache then.
  [[nodiscard]] bool refused() const noexcept { return refused_; }

 private:
  struct SharedBlock {
    std::array<std::byte, kDirectBlock> bytes{};
    std::size_t filled = 0;
    bool written = false;  // a written piece has a part in it
  };
  enum class Shared : std::uint8_t { kWaits, kWrite, kKeep };

  void pass(std::uint64_t offset, std::span<std::byte> piece, bool written);
  [[nodiscard]] Shared settle(std::uint64_t begin, std::uint64_t end, std::byte* first,
                              bool written);
  void write_blocks(std::uint64_t begin, std::uint64_t end, const std::byte* first);

  File& target_;
  std::uint64_t bytes_;
  std::optional<File> direct_{};
  std::atomic<bool> refused_ = false;
  std::mutex mutex_{};
  std::map<std::uint64_t, SharedBlock> shared_{};  // by offset
};

}  // namespace contourfuse
