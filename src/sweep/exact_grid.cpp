// One recomputing run of a fuse backend a value.
#include "sweep/exact_grid.hpp"

namespace contourfuse {
namespace {

FuseJob job_of(const GridJob& grid, const ScfNumbers& numbers, double value) {
  FuseJob job;
  const MatrixJob& matrix = grid.matrix;
  const std::uint64_t bytes = matrix.rows * matrix.cols * editable_bytes(matrix.dtype);
  job.shards.push_back({.source = grid.source,
                        .target = nullptr,
                        .bytes = matrix.offset + bytes,
                        .begin = matrix.offset});
  job.matrices.push_back(matrix);
  job.matrices.back().shard = 0;
  job.numbers = numbers;
  job.numbers.alpha = value;
  job.numbers.gamma = static_cast<float>(value);
  return job;
}

}  // namespace

MatrixGrid measure_exactly(const GridJob& grid, const ScfNumbers& numbers, Backend& fuser,
                           const Execution& execution) {
  MatrixGrid measured;
  measured.covered = grid.matrix.covered();
  Execution silent = execution;
  silent.progress = nullptr;
  for (const double value : grid.values) {
    const FuseResults results = fuser.run(job_of(grid, numbers, value), silent);
    const MatrixResult& result = results.matrices.front();
    measured.weight2 = result.sums.weight2;
    measured.points.push_back({.moved = result.counts.moved,
                               .changed = static_cast<double>(result.counts.changed),
                               .lost = static_cast<double>(result.counts.lost),
                               .clamped = result.counts.clamped,
                               .sign_flips = result.counts.sign_flips,
                               .change2 = result.sums.change2,
                               .change = result.sums.change});
  }
  return measured;
}

}  // namespace contourfuse
