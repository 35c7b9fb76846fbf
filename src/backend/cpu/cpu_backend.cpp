// The CPU backend: each worker reads, edits and writes its own ranges in a small buffer.
#include "contourfuse/backend/cpu/cpu_backend.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "contourfuse/fusion/finished_shards.hpp"
#include "contourfuse/fusion/shard_passages.hpp"
#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/bulk_writer.hpp"
#include "contourfuse/io/page_buffer.hpp"
#include "contourfuse/io/turnstile.hpp"
#include "matrix_state.hpp"
#include "piece_editor.hpp"
#include "work_list.hpp"

namespace contourfuse {
namespace {

/// Buffers of a worker, allocated once.
struct Buffers {
  PageBuffer weight;
  PageBuffer delta;
};

/// `bytes` where elements of `element` bytes may stand: there, or moved down to the next such
/// place, which is in the same block.
std::span<std::byte> aligned(std::span<std::byte> bytes, std::size_t element) {
  const std::size_t askew = reinterpret_cast<std::uintptr_t>(bytes.data()) % element;
  if (askew == 0) return bytes;
  std::memmove(bytes.data() - askew, bytes.data(), bytes.size());
  return {bytes.data() - askew, bytes.size()};
}

/// One run of a job.
class Run {
 public:
  Run(const FuseJob& job, const Execution& execution)
      : job_(job),
        execution_(execution),
        in_place_(is_in_place(job)),
        piece_elements_(piece_elements(job, execution.thread_count())),
        list_(job, piece_elements_),
        readers_(job.read_method),
        states_(job.matrices.size()) {
    for (const MatrixJob& matrix : job.matrices) {
      const auto place = matrix.delta->place();
      deltas_.push_back(place ? &readers_.of(*place->file, place->file->size()) : nullptr);
    }
  }

  FuseResults execute() {
    const int threads = execution_.thread_count();
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    std::uint64_t total = 0;
    for (const ShardJob& shard : job_.shards) total += shard.bytes - shard.begin;
    execution_.begin("fuse", total);
    tbb::task_arena arena(threads);
    // Those without elements or bytes, which no worker comes to.
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (job_.matrices[i].rows == 0 || job_.matrices[i].cols == 0) finish_matrix(i);
    }
    shards_.finish_empty();
    arena.execute([&] {
      tbb::parallel_for(
          0, threads, 1, [&](int) { work(); }, tbb::simple_partitioner());
    });
    if (failure_) std::rethrow_exception(failure_);
    // The last items may have been handed out before the request.
    execution_.check_cancelled();
    execution_.end();
    shards_.add_transfers(results_);
    results_.bytes_read = bytes_read_ + delta_bytes_;
    results_.delta_bytes_read = delta_bytes_;
    return std::move(results_);
  }

 private:
  void work() {
    try {
      Buffers buffers = make_buffers();
      while (!failed_) {
        const auto item = list_.next();
        if (!item) return;
        execution_.check_cancelled();
        run(*item, buffers);
      }
    } catch (const Abandoned&) {
      // The thread that failed has said why.
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void fail(std::exception_ptr reason) {
    {
      const std::lock_guard lock(states_mutex_);
      if (!failure_) failure_ = std::move(reason);
      failed_ = true;
      for (const auto& state : states_) {
        if (state) state->abandon();
      }
    }
    shards_.abandon();
  }

  Buffers make_buffers() const {
    std::uint64_t weight = 2;
    std::uint64_t delta = 2;
    for (const MatrixJob& matrix : job_.matrices) {
      weight = std::max(weight, editable_bytes(matrix.dtype));
      delta = std::max(delta, editable_bytes(matrix.delta_dtype));
    }
    return {PageBuffer(piece_elements_ * weight), PageBuffer(piece_elements_ * delta)};
  }

  /// Where `bytes` of a file from `offset` stand in a buffer.
  std::span<std::byte> placed(PageBuffer& buffer, std::uint64_t offset, std::uint64_t bytes) const {
    return buffer.place(in_place_ ? offset : 0, bytes);
  }

  MatrixState& state(std::size_t matrix) {
    const std::lock_guard lock(states_mutex_);
    if (failed_) throw Abandoned{};
    if (!states_[matrix]) {
      states_[matrix] =
          std::make_unique<MatrixState>(job_.matrices[matrix], job_.numbers, piece_elements_);
    }
    return *states_[matrix];
  }

  void run(const WorkItem& item, Buffers& buffers) {
    switch (item.step) {
      case Step::kCopy:
        copy(item, buffers);
        break;
      case Step::kMoments:
        measure(item, buffers);
        break;
      case Step::kRecord:
        record(item, buffers);
        break;
      case Step::kEdit:
        edit(item, buffers);
        break;
    }
  }

  [[nodiscard]] TracedStage stage(const char* name, std::uint64_t bytes) const {
    return {execution_.trace, name, bytes};
  }

  /// Bytes of a shard; the window of them in a buffer.
  std::span<std::byte> read_window(std::size_t shard, std::uint64_t begin, std::uint64_t end,
                                   PageBuffer& buffer) {
    const std::span<std::byte> out = placed(buffer, begin, end - begin);
    execution_.pace(out.size());
    const TracedStage reading = stage("read", out.size());
    shards_.source(shard).read_in_place(begin, out);
    bytes_read_ += out.size();
    return out;
  }

  /// Covered elements [first, first + count) of the weight, one after the other.
  std::byte* read_covered(const MatrixJob& matrix, std::uint64_t first, std::uint64_t count,
                          PageBuffer& buffer) {
    const std::uint64_t bytes = editable_bytes(matrix.dtype);
    if (matrix.full_width()) {
      const std::uint64_t begin = matrix.offset + first * bytes;
      return aligned(read_window(matrix.shard, begin, begin + count * bytes, buffer), bytes).data();
    }
    // Parts of rows are not apart by whole blocks: they come through the page cache.
    execution_.pace(count * bytes);
    const TracedStage reading = stage("read", count * bytes);
    for (std::uint64_t done = 0; done < count;) {
      const std::uint64_t row = (first + done) / matrix.covered_cols;
      const std::uint64_t col = (first + done) % matrix.covered_cols;
      const std::uint64_t part = std::min(count - done, matrix.covered_cols - col);
      shards_.source(matrix.shard)
          .read(matrix.offset + (row * matrix.cols + col) * bytes,
                {buffer.data() + done * bytes, part * bytes});
      done += part;
    }
    bytes_read_ += count * bytes;
    return buffer.data();
  }

  std::span<std::byte> read_delta(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  PageBuffer& buffer) {
    const MatrixJob& matrix = job_.matrices[index];
    const std::uint64_t element = editable_bytes(matrix.delta_dtype);
    const std::uint64_t bytes = count * element;
    if (bytes == 0) return {};
    if (!matrix.delta->stored()) {
      const TracedStage generating = stage("generate", bytes);
      matrix.delta->read(first, {buffer.data(), bytes});
      return {buffer.data(), bytes};
    }
    execution_.pace(bytes);
    const TracedStage reading = stage("read", bytes);
    delta_bytes_ += bytes;
    if (deltas_[index] == nullptr) {
      matrix.delta->read(first, {buffer.data(), bytes});
      return {buffer.data(), bytes};
    }
    const std::uint64_t begin = matrix.delta->place()->offset + first * element;
    const std::span<std::byte> out = placed(buffer, begin, bytes);
    deltas_[index]->read_in_place(begin, out);
    return aligned(out, element);
  }

  void copy(const WorkItem& item, Buffers& buffers) {
    const std::span<std::byte> bytes =
        read_window(item.shard, item.begin, item.end, buffers.weight);
    shards_.pass_source(item.shard, item.ticket, bytes);
    pass_target(item, bytes, nullptr, {});
  }

  BlockMoments measured(DType dtype, const std::byte* elements, std::uint64_t count) {
    const TracedStage measuring = stage("moments", count * editable_bytes(dtype));
    return piece_moments(kernels_, dtype, elements, count);
  }

  void measure(const WorkItem& item, Buffers& buffers) {
    const MatrixJob& matrix = job_.matrices[item.matrix];
    const std::uint64_t count = item.end - item.begin;
    PieceMoments moments;
    const std::byte* const weight = read_covered(matrix, item.begin, count, buffers.weight);
    moments.weight = measured(matrix.dtype, weight, count);
    const auto delta = read_delta(item.matrix, item.begin, count, buffers.delta);
    moments.delta = measured(matrix.delta_dtype, delta.data(), count);
    state(item.matrix).add_moments(item.piece, moments);
  }

  Scaling scaling(std::size_t matrix) {
    std::uint64_t scanned = 0;
    const Scaling scaling = state(matrix).scaling(scanned);
    delta_bytes_ += job_.matrices[matrix].delta->stored() ? scanned : 0;
    return scaling;
  }

  void record(const WorkItem& item, Buffers& buffers) {
    const MatrixJob& matrix = job_.matrices[item.matrix];
    const std::uint64_t count = item.end - item.begin;
    PieceEditor editor(kernels_, matrix, job_.numbers, scaling(item.matrix));
    std::byte* const weight = read_covered(matrix, item.begin, count, buffers.weight);
    const auto delta = read_delta(item.matrix, item.begin, count, buffers.delta);
    const TracedStage editing = stage("scale", count * editable_bytes(matrix.dtype));
    const PieceRecord piece = editor.edit_and_record(weight, delta.data(), item.begin, count);
    state(item.matrix).add_record(item.piece, piece.counts, piece.sums, piece.bad);
  }

  void edit(const WorkItem& item, Buffers& buffers) {
    const MatrixJob& matrix = job_.matrices[item.matrix];
    const std::uint64_t bytes = editable_bytes(matrix.dtype);
    const std::uint64_t first = (item.begin - matrix.offset) / bytes;
    const std::uint64_t end = (item.end - matrix.offset) / bytes;
    const std::span<std::byte> window =
        read_window(item.shard, item.begin, item.end, buffers.weight);
    shards_.pass_source(item.shard, item.ticket, window);

    const std::uint64_t delta_first = covered_before(matrix, first);
    const std::uint64_t covered = covered_before(matrix, end) - delta_first;
    std::span<std::byte> delta;
    if (covered > 0) {
      PieceEditor editor(kernels_, matrix, job_.numbers, scaling(item.matrix));
      delta = read_delta(item.matrix, delta_first, covered, buffers.delta);
      const TracedStage editing = stage("scale", covered * bytes);
      const std::span<std::byte> elements = aligned(window, bytes);
      if (matrix.full_width()) {
        const PieceRecord piece =
            editor.edit_and_record(elements.data(), delta.data(), first, covered);
        state(item.matrix).add_record(item.piece, piece.counts, piece.sums, piece.bad);
      } else {
        // The records read the same weights, and the target may be the source.
        state(item.matrix).wait_for_records();
        edit_rows(matrix, editor, elements.data(), delta.data(), first, end);
      }
      if (elements.data() != window.data()) {
        std::memmove(window.data(), elements.data(), window.size());
      }
    }
    pass_target(item, window, &state(item.matrix), delta);
    if (item.end == matrix.offset + matrix.rows * matrix.cols * bytes) finish_matrix(item.matrix);
  }

  /// Covered elements before row-major element `index` of the whole matrix.
  static std::uint64_t covered_before(const MatrixJob& matrix, std::uint64_t index) {
    const std::uint64_t row = index / matrix.cols;
    if (row >= matrix.covered_rows) return matrix.covered();
    return row * matrix.covered_cols + std::min(index % matrix.cols, matrix.covered_cols);
  }

  static void edit_rows(const MatrixJob& matrix, PieceEditor& editor, std::byte* window,
                        const std::byte* delta, std::uint64_t first, std::uint64_t end) {
    const std::uint64_t bytes = editable_bytes(matrix.dtype);
    for (std::uint64_t at = first; at < end;) {
      const std::uint64_t row = at / matrix.cols;
      const std::uint64_t col = at % matrix.cols;
      const std::uint64_t row_end = std::min(end, (row + 1) * matrix.cols);
      if (row < matrix.covered_rows && col < matrix.covered_cols) {
        const std::uint64_t count = std::min(row_end - at, matrix.covered_cols - col);
        editor.edit(window + (at - first) * bytes, delta, count, at);
        delta += count * editable_bytes(matrix.delta_dtype);
      }
      at = row_end;
    }
  }

  void pass_target(const WorkItem& item, std::span<std::byte> bytes, MatrixState* matrix,
                   std::span<const std::byte> delta) {
    BulkWriter* const target = shards_.target(item.shard);
    if (target != nullptr) put(*target, item, bytes);
    const bool stored_delta = matrix != nullptr && job_.matrices[item.matrix].delta->stored();
    shards_.pass_target(item.shard, item.ticket, item.end, bytes, [&] {
      if (matrix != nullptr) matrix->weight_hash.update(bytes);
      if (stored_delta) matrix->delta_hash.update(delta);
    });
    execution_.advance(bytes.size());
  }

  void put(BulkWriter& target, const WorkItem& item, std::span<std::byte> bytes) {
    const bool is_copy = item.step == Step::kCopy || job_.matrices[item.matrix].covered() == 0;
    if (is_copy && target.copies_by_itself()) {
      target.copy(item.begin, bytes);
      return;
    }
    execution_.pace(bytes.size());
    const TracedStage writing = stage("write", bytes.size());
    target.write(item.begin, bytes);
  }

  void finish_matrix(std::size_t matrix) {
    finished_.add_matrix(matrix, state(matrix).result());
    const std::lock_guard lock(states_mutex_);
    states_[matrix].reset();
  }

  const FuseJob& job_;
  const Execution& execution_;
  const Kernels& kernels_ = best_kernels();
  const bool in_place_;
  const std::uint64_t piece_elements_;
  WorkList list_;
  BulkReaders readers_;
  std::vector<const BulkReader*> deltas_{};  // by matrix; null: read through the matrix's delta
  std::mutex states_mutex_{};
  std::vector<std::unique_ptr<MatrixState>> states_;
  std::exception_ptr failure_{};
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::uint64_t> delta_bytes_{0};
  FuseResults results_{};
  FinishedShards finished_{job_, results_};
  ShardPassages shards_{job_, readers_, finished_};
};

class CpuBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "cpu"; }
  FuseResults run(const FuseJob& job, const Execution& execution) override {
    return Run(job, execution).execute();
  }
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace contourfuse
