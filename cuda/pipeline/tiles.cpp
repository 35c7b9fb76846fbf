// How a matrix is cut: tiles that a device holds, windows that a slot holds.
#include "pipeline/tiles.hpp"

#include <algorithm>
#include <cstring>

namespace contourfuse::device {
namespace {

std::uint64_t parts(std::uint64_t whole, std::uint64_t part) noexcept {
  return (whole + part - 1) / part;
}

}  // namespace

std::uint64_t covered_before(const MatrixJob& matrix, std::uint64_t index) noexcept {
  const std::uint64_t row = index / matrix.cols;
  if (row >= matrix.covered_rows) return matrix.covered();
  return row * matrix.covered_cols + std::min(index % matrix.cols, matrix.covered_cols);
}

Tiles::Tiles(const MatrixJob& matrix, std::uint64_t tile_elements) noexcept
    : matrix_(matrix),
      tile_elements_(tile_elements),
      count_(std::max<std::uint64_t>(1, parts(matrix.covered(), tile_elements))) {}

MatrixPart Tiles::operator[](std::uint64_t tile) const noexcept {
  const auto element_of = [&](std::uint64_t covered) {
    return covered / matrix_.covered_cols * matrix_.cols + covered % matrix_.covered_cols;
  };
  const std::uint64_t first = tile * tile_elements_;
  const bool is_last = tile + 1 == count_;
  return {.begin = tile == 0 ? 0 : element_of(first),
          .end = is_last ? matrix_.rows * matrix_.cols : element_of(first + tile_elements_),
          .first = first,
          .covered = is_last ? matrix_.covered() - first : tile_elements_};
}

Windows::Windows(const MatrixJob& matrix, const MatrixPart& tile, std::uint64_t slot_bytes) noexcept
    : matrix_(matrix), tile_(tile), elements_(slot_bytes / editable_bytes(matrix.dtype)) {}

std::uint64_t Windows::count() const noexcept { return parts(tile_.size(), elements_); }

MatrixPart Windows::operator[](std::uint64_t window) const noexcept {
  const std::uint64_t begin = tile_.begin + window * elements_;
  const std::uint64_t end = std::min(tile_.end, begin + elements_);
  const std::uint64_t first = covered_before(matrix_, begin);
  return {begin, end, first, covered_before(matrix_, end) - first};
}

std::uint64_t window_count(const MatrixJob& matrix, std::uint64_t tile_elements,
                           std::uint64_t slot_bytes) noexcept {
  const Tiles tiles(matrix, tile_elements);
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < tiles.count(); ++i) {
    count += Windows(matrix, tiles[i], slot_bytes).count();
  }
  return count;
}

Run run_at(const MatrixJob& matrix, std::uint64_t at, std::uint64_t end) noexcept {
  const std::uint64_t row = at / matrix.cols;
  const std::uint64_t col = at % matrix.cols;
  if (row >= matrix.covered_rows) return {at, end, false};
  const bool is_covered = col < matrix.covered_cols;
  const std::uint64_t run_end =
      row * matrix.cols + (is_covered ? matrix.covered_cols : matrix.cols);
  return {at, std::min(run_end, end), is_covered};
}

void move_bytes(std::byte* to, const std::byte* from, std::size_t count) noexcept {
  std::memmove(to, from, count);
}

void pack(const MatrixJob& matrix, const MatrixPart& window, std::span<std::byte> bytes) noexcept {
  if (window.covered == window.size()) return;
  const std::uint64_t element = editable_bytes(matrix.dtype);
  std::uint64_t packed = 0;
  for (std::uint64_t at = window.begin; at < window.end;) {
    const Run run = run_at(matrix, at, window.end);
    if (run.is_covered) {
      const std::uint64_t count = (run.end - run.begin) * element;
      move_bytes(bytes.data() + packed, bytes.data() + (run.begin - window.begin) * element, count);
      packed += count;
    }
    at = run.end;
  }
}

}  // namespace contourfuse::device
