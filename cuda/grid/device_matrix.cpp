// The covered elements of a matrix and its delta on a device, a slice at a time.
#include "grid/device_matrix.hpp"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

namespace contourfuse::device {
namespace {

/// What one thread reads at a time.
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

/// read(begin, bytes) for pieces of [0, bytes). Isolated: who waits here takes up no other task,
/// which could want the device that this one holds.
template <class Read>
void read_in_pieces(std::uint64_t bytes, Read read) {
  const std::uint64_t pieces = (bytes + kPieceBytes - 1) / kPieceBytes;
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(std::uint64_t{0}, pieces, [&](std::uint64_t piece) {
      const std::uint64_t begin = piece * kPieceBytes;
      read(begin, std::min(kPieceBytes, bytes - begin));
    });
  });
}

void read_weight_piece(const GridJob& job, std::uint64_t first, std::span<std::byte> out) {
  const MatrixJob& matrix = job.matrix;
  const std::uint64_t element = editable_bytes(matrix.dtype);
  for (std::uint64_t done = 0; done < out.size();) {
    const std::uint64_t at = first + done / element;
    const std::uint64_t row = at / matrix.covered_cols;
    const std::uint64_t column = at % matrix.covered_cols;
    const std::uint64_t left = out.size() - done;
    const std::uint64_t run =
        matrix.full_width() ? left : std::min(left, (matrix.covered_cols - column) * element);
    job.source->read(matrix.offset + (row * matrix.cols + column) * element,
                     out.subspan(done, run));
    done += run;
  }
}

bool fits(const GridJob& job, std::uint64_t memory) {
  const std::uint64_t pair =
      editable_bytes(job.matrix.dtype) + editable_bytes(job.matrix.delta_dtype);
  return job.matrix.covered() <= memory / pair;
}

}  // namespace

void read_weight(const GridJob& job, std::uint64_t first, std::span<std::byte> out) {
  const std::uint64_t element = editable_bytes(job.matrix.dtype);
  read_in_pieces(out.size(), [&](std::uint64_t begin, std::uint64_t bytes) {
    read_weight_piece(job, first + begin / element, out.subspan(begin, bytes));
  });
}

void read_delta(const GridJob& job, std::uint64_t first, std::span<std::byte> out) {
  const std::uint64_t element = editable_bytes(job.matrix.delta_dtype);
  read_in_pieces(out.size(), [&](std::uint64_t begin, std::uint64_t bytes) {
    job.matrix.delta->read(first + begin / element, out.subspan(begin, bytes));
  });
}

DeviceMatrix::DeviceMatrix(DevicePool& pool, Staging& staging, const GridJob& job,
                           std::uint64_t slice_elements, std::uint64_t memory)
    : staging_(staging), job_(job), slice_elements_(slice_elements), stays_(fits(job, memory)) {
  const std::uint64_t elements = stays_ ? job.matrix.covered() : most_elements();
  weight_ = PooledMemory(pool, elements * editable_bytes(job.matrix.dtype));
  delta_ = PooledMemory(pool, elements * editable_bytes(job.matrix.delta_dtype));
}

std::uint64_t DeviceMatrix::slices() const noexcept {
  return (job_.matrix.covered() + slice_elements_ - 1) / slice_elements_;
}

std::uint64_t DeviceMatrix::most_elements() const noexcept {
  return std::min(slice_elements_, job_.matrix.covered());
}

GridSlice DeviceMatrix::slice(std::uint64_t number) {
  const MatrixJob& matrix = job_.matrix;
  const std::uint64_t first = number * slice_elements_;
  const std::uint64_t place = stays_ ? first : 0;
  const std::uint64_t weight_bytes = editable_bytes(matrix.dtype);
  const std::uint64_t delta_bytes = editable_bytes(matrix.delta_dtype);
  const GridSlice slice{.role = matrix.role,
                        .stochastic = job_.stochastic,
                        .weight_dtype = matrix.dtype,
                        .delta_dtype = matrix.delta_dtype,
                        .weight = weight_.get() + place * weight_bytes,
                        .delta = delta_.get() + place * delta_bytes,
                        .count = std::min(slice_elements_, matrix.covered() - first)};
  if (stays_ && number < arrived_) return slice;
  staging_.send(weight_.get() + place * weight_bytes, slice.count * weight_bytes, weight_bytes,
                [&](std::uint64_t at, std::span<std::byte> out) {
                  read_weight(job_, first + at / weight_bytes, out);
                });
  staging_.send(delta_.get() + place * delta_bytes, slice.count * delta_bytes, delta_bytes,
                [&](std::uint64_t at, std::span<std::byte> out) {
                  read_delta(job_, first + at / delta_bytes, out);
                });
  if (stays_) ++arrived_;
  return slice;
}

}  // namespace contourfuse::device
