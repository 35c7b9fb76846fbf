// Reading rows, widening them, and forming their edits.
#include "sweep/output_rows.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "contourfuse/core/instruction_level.hpp"
#include "contourfuse/io/hash.hpp"

namespace contourfuse {

namespace kernels_baseline {
extern const OutputKernels kOutputKernels;
}
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
extern const OutputKernels kOutputKernels;
}
namespace kernels_v4 {
extern const OutputKernels kOutputKernels;
}
#endif

const OutputKernels& output_kernels() noexcept {
#if defined(CONTOURFUSE_X86_LEVELS)
  static const InstructionLevel level = processor_level();
  if (level >= InstructionLevel::kX86V4) return kernels_v4::kOutputKernels;
  if (level >= InstructionLevel::kX86V3) return kernels_v3::kOutputKernels;
#endif
  return kernels_baseline::kOutputKernels;
}

namespace {

/// Room for `count` stored elements of any editable type, aligned for them.
std::span<std::byte> stored_elements(std::vector<float>& room, DType dtype, std::uint64_t count) {
  if (room.size() < count) room.resize(count);
  return std::as_writable_bytes(std::span(room)).first(count * editable_bytes(dtype));
}

}  // namespace

OutputRows::OutputRows(const OutputMatrix& matrix, const OutputJob& job)
    : matrix_(matrix),
      edited_(matrix.matrix.delta != nullptr && matrix.matrix.covered() != 0),
      exact_(job.exact),
      stored_{.dtype = matrix.matrix.dtype,
              .role = matrix.matrix.role,
              .stochastic = job.stochastic,
              .rounding_seed = job.rounding_seed,
              .tensor_hash = xxh3_64(matrix.matrix.name)} {}

std::uint64_t OutputRows::bytes() const noexcept {
  return matrix().rows * matrix().cols * editable_bytes(matrix().dtype);
}

void OutputRows::read_weight(const RowPart& part, float* out) const {
  thread_local std::vector<float> room;
  const std::span stored = stored_elements(room, matrix().dtype, part.cols);
  const std::uint64_t first = part.row * matrix().cols + part.first_col;
  matrix_.source->read(matrix().offset + first * editable_bytes(matrix().dtype), stored);
  output_kernels().widen(matrix().dtype, stored.data(), part.cols, out);
}

void OutputRows::read_delta(const RowPart& part, float* out) const {
  const std::uint64_t width = matrix().covered_cols;
  const bool outside = part.row >= matrix().covered_rows || part.first_col >= width;
  const std::uint64_t covered = outside ? 0 : std::min(part.cols, width - part.first_col);
  std::fill(out + covered, out + part.cols, 0.0F);
  if (covered == 0) return;
  thread_local std::vector<float> room;
  const std::span stored = stored_elements(room, matrix().delta_dtype, covered);
  matrix().delta->read(part.row * width + part.first_col, stored);
  output_kernels().widen(matrix().delta_dtype, stored.data(), covered, out);
}

void OutputRows::change(const RowPart& part, const float* weight, const float* delta,
                        float parameter, float* out) const {
  const OutputKernels& kernels = output_kernels();
  if (exact_) {
    StoredEdit edit = stored_;
    edit.parameter = parameter;
    kernels.stored_change(edit, weight, delta, part.cols, part.row * matrix().cols + part.first_col,
                          out);
  } else if (matrix().role == ScfRole::kGate) {
    kernels.clamped_change(weight, delta, part.cols, parameter, out);
  } else {
    kernels.plain_change(weight, delta, part.cols, out);
  }
}

}  // namespace contourfuse
