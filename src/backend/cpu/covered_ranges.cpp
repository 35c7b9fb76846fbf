// The covered elements of a matrix in fixed ranges, read by as many workers as there are threads.
#include "covered_ranges.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "contourfuse/core/dtype.hpp"

namespace contourfuse {
namespace {

// Of weight and delta together 256 KiB in bf16: they stay in a core's second cache.
constexpr std::uint64_t kPieceElements = 8 * kBlockElements;

std::byte* bytes_of(std::vector<std::uint64_t>& words) {
  return static_cast<std::byte*>(static_cast<void*>(words.data()));
}

std::size_t words_for(std::uint64_t elements, std::size_t bytes) {
  return (elements * bytes + 7) / 8;
}

}  // namespace

BlockReader::BlockReader(const File& source, const MatrixJob& matrix, const Execution& execution)
    : source_(source),
      matrix_(matrix),
      execution_(execution),
      weight_bytes_(editable_bytes(matrix.dtype)),
      delta_bytes_(editable_bytes(matrix.delta_dtype)),
      weight_words_(words_for(std::min(kPieceElements, matrix.covered()), weight_bytes_)),
      delta_words_(words_for(std::min(kPieceElements, matrix.covered()), delta_bytes_)) {}

void BlockReader::read_weight(std::uint64_t first, std::uint64_t count) {
  const TracedStage reading(execution_.trace, "read", count * weight_bytes_);
  std::byte* out = bytes_of(weight_words_);
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t row = (first + done) / matrix_.covered_cols;
    const std::uint64_t col = (first + done) % matrix_.covered_cols;
    const std::uint64_t run = matrix_.full_width() ? count : matrix_.covered_cols - col;
    const std::uint64_t part = std::min(count - done, run);
    source_.read(matrix_.offset + (row * matrix_.cols + col) * weight_bytes_,
                 {out + done * weight_bytes_, part * weight_bytes_});
    done += part;
  }
}

void BlockReader::read(const CoveredRange& range,
                       const std::function<void(const CoveredBlock&)>& visit) {
  for (std::uint64_t first = range.begin; first < range.end; first += kPieceElements) {
    execution_.check_cancelled();
    const std::uint64_t count = std::min(kPieceElements, range.end - first);
    read_weight(first, count);
    {
      const TracedStage reading(execution_.trace, matrix_.delta->stored() ? "read" : "generate",
                                count * delta_bytes_);
      matrix_.delta->read(first, {bytes_of(delta_words_), count * delta_bytes_});
    }
    const TracedStage measuring(execution_.trace, "measure", count * weight_bytes_);
    for (std::uint64_t done = 0; done < count; done += kBlockElements) {
      visit({first + done,
             static_cast<std::size_t>(std::min<std::uint64_t>(kBlockElements, count - done)),
             bytes_of(weight_words_) + done * weight_bytes_,
             bytes_of(delta_words_) + done * delta_bytes_});
    }
  }
}

void for_each_range(const File& source, const MatrixJob& matrix, const Execution& execution,
                    const std::function<void(const CoveredRange&, BlockReader&)>& work) {
  const std::uint64_t covered = matrix.covered();
  const std::uint64_t ranges = (covered + kRangeElements - 1) / kRangeElements;
  const auto threads = static_cast<int>(std::min<std::uint64_t>(
      static_cast<std::uint64_t>(execution.thread_count()), std::max<std::uint64_t>(ranges, 1)));
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run = [&] {
    try {
      BlockReader reader(source, matrix, execution);
      while (!failed) {
        const std::uint64_t number = next++;
        if (number >= ranges) return;
        const std::uint64_t begin = number * kRangeElements;
        work({number, begin, std::min(begin + kRangeElements, covered)}, reader);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      failed = true;
    }
  };
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(execution.thread_count()));
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(
        0, threads, 1, [&](int) { run(); }, tbb::simple_partitioner());
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace contourfuse
