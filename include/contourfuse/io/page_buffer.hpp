// Memory for transfers: whole pages, allocated once and reused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace contourfuse {

/// What transfers past the page cache are aligned to, in the file and in memory: no filesystem asks
/// for more. One that does is read and written through its cache.
inline constexpr std::size_t kDirectBlock = 4096;

[[nodiscard]] constexpr std::uint64_t block_down(std::uint64_t offset) noexcept {
  return offset / kDirectBlock * kDirectBlock;
}
/// Offsets of files end far below where this would overflow.
[[nodiscard]] constexpr std::uint64_t block_up(std::uint64_t offset) noexcept {
  return block_down(offset + kDirectBlock - 1);
}

/// Zeroed memory of its own pages. Move-only.
class PageBuffer {
 public:
  PageBuffer() = default;
  /// Room for `bytes` wherever they stand in their first block. Throws std::bad_alloc.
  explicit PageBuffer(std::size_t bytes);
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  ~PageBuffer();

  [[nodiscard]] std::byte* data() noexcept { return pages_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return pages_.size(); }
  /// `bytes` that stand in their first block as `offset` does in the file's.
  [[nodiscard]] std::span<std::byte> place(std::uint64_t offset, std::size_t bytes) noexcept {
    return pages_.subspan(offset % kDirectBlock, bytes);
  }

 private:
  std::span<std::byte> pages_{};
};

}  // namespace contourfuse
