// How a matrix is cut: tiles that a device holds, windows that a slot holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse::device {

/// Part of a matrix: its elements [begin, end), row-major, and which covered elements are in it.
struct MatrixPart {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t first = 0;    ///< covered element
  std::uint64_t covered = 0;  ///< their count

  [[nodiscard]] std::uint64_t size() const noexcept { return end - begin; }
};

/// Covered elements before row-major element `index` of the whole matrix.
[[nodiscard]] std::uint64_t covered_before(const MatrixJob& matrix, std::uint64_t index) noexcept;

/// Tiles of `tile_elements` covered elements each, a multiple of a block; together they are the
/// whole matrix.
class Tiles {
 public:
  Tiles(const MatrixJob& matrix, std::uint64_t tile_elements) noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] MatrixPart operator[](std::uint64_t tile) const noexcept;

 private:
  const MatrixJob& matrix_;
  std::uint64_t tile_elements_;
  std::uint64_t count_;
};

/// Windows of a tile, each of at most `slot_bytes` of the file.
class Windows {
 public:
  Windows(const MatrixJob& matrix, const MatrixPart& tile, std::uint64_t slot_bytes) noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] MatrixPart operator[](std::uint64_t window) const noexcept;

 private:
  const MatrixJob& matrix_;
  MatrixPart tile_;
  std::uint64_t elements_;
};

/// Windows of all tiles.
[[nodiscard]] std::uint64_t window_count(const MatrixJob& matrix, std::uint64_t tile_elements,
                                         std::uint64_t slot_bytes) noexcept;

/// Moves the covered elements of a window's bytes to their front.
void pack(const MatrixJob& matrix, const MatrixPart& window, std::span<std::byte> bytes) noexcept;

/// Moves the covered elements at the end of a window's bytes to their places, and has the runs
/// between them read: read(byte offset in the window, run of bytes).
template <class Read>
void unpack(const MatrixJob& matrix, const MatrixPart& window, std::span<std::byte> bytes,
            Read read);

/// A run of a window's elements, all covered or none.
struct Run {
  std::uint64_t begin = 0;  ///< element of the matrix
  std::uint64_t end = 0;
  bool is_covered = false;
};
/// The run that begins with element `at`, no further than `end`.
[[nodiscard]] Run run_at(const MatrixJob& matrix, std::uint64_t at, std::uint64_t end) noexcept;
/// memmove.
void move_bytes(std::byte* to, const std::byte* from, std::size_t count) noexcept;

template <class Read>
void unpack(const MatrixJob& matrix, const MatrixPart& window, std::span<std::byte> bytes,
            Read read) {
  const std::uint64_t element = editable_bytes(matrix.dtype);
  // What is read for the uncovered never reaches the packed elements that are still to be moved:
  // those lie at least as far behind as uncovered ones are still to come.
  std::uint64_t packed = (window.size() - window.covered) * element;
  for (std::uint64_t at = window.begin; at < window.end;) {
    const Run run = run_at(matrix, at, window.end);
    const std::uint64_t place = (run.begin - window.begin) * element;
    const std::uint64_t count = (run.end - run.begin) * element;
    if (run.is_covered) {
      move_bytes(bytes.data() + place, bytes.data() + packed, count);
      packed += count;
    } else {
      read(place, bytes.subspan(place, count));
    }
    at = run.end;
  }
}

}  // namespace contourfuse::device
