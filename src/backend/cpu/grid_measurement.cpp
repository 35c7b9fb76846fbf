// One matrix at every value of its axis.
#include "grid_measurement.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "contourfuse/core/dtype.hpp"
#include "matrix_state.hpp"

namespace contourfuse {

GridMeasurement::GridMeasurement(const GridJob& job, const Execution& execution,
                                 const GridKernels& kernels)
    : job_(job), execution_(execution), kernels_(kernels) {}

bool GridMeasurement::delta_is_zero() const noexcept {
  return is_zero_delta(moments_.delta, job_.matrix.covered());
}

void GridMeasurement::settle_parameters() {
  parameters_ = grid_parameters(job_, moments_);
  groups_ = group_points(job_.matrix.role, parameters_);
}

void GridMeasurement::check_elements() const {
  for (const float parameter : parameters_to_check(job_, moments_, parameters_)) {
    check_elements(parameter);
  }
}

void GridMeasurement::check_elements(float parameter) const {
  const MatrixJob& matrix = job_.matrix;
  const std::size_t weight_bytes = editable_bytes(matrix.dtype);
  const std::size_t delta_bytes = editable_bytes(matrix.delta_dtype);
  std::mutex mutex;
  BadElements bad;
  for_each_range(
      *job_.source, matrix, execution_, [&](const CoveredRange& range, BlockReader& reader) {
        BadElements of_range;
        reader.read(range, [&](const CoveredBlock& block) {
          for (std::size_t i = 0; i < block.count; ++i) {
            const float w = widen_element(matrix.dtype, block.weight + i * weight_bytes);
            const float d = widen_element(matrix.delta_dtype, block.delta + i * delta_bytes);
            if (!is_refused(matrix, w, d, parameter)) continue;
            const std::uint64_t index = block.first + i;
            of_range.add(index / matrix.covered_cols * matrix.cols + index % matrix.covered_cols);
          }
        });
        const std::lock_guard lock(mutex);
        bad = bad + of_range;
      });
  check_finite(matrix, bad);
}

void GridMeasurement::plan_groups() {
  const MatrixJob& matrix = job_.matrix;
  plans_.resize(groups_.size());
  if (job_.stochastic || matrix.dtype != DType::kBF16 || matrix.delta_dtype != DType::kBF16) return;
  const float largest_delta =
      std::max(std::fabs(moments_.delta.smallest), std::fabs(moments_.delta.largest));
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (matrix.role == ScfRole::kDown) {
      plans_[i].down = plan_bf16_down(groups_[i], largest_delta);
    } else {
      plans_[i].gate = plan_bf16_gate(groups_[i]);
    }
  }
}

void GridMeasurement::tally_block(const CoveredBlock& block, std::size_t group,
                                  GroupTally& tally) const {
  const MatrixJob& matrix = job_.matrix;
  const Bf16Plans& plans = plans_[group];
  const PointGroup& points = groups_[group];
  if (plans.down &&
      kernels_.bf16.down(block.weight, block.delta, block.count, points, *plans.down, tally)) {
    return;
  }
  if (plans.gate &&
      kernels_.bf16.gate(block.weight, block.delta, block.count, points, *plans.gate, tally)) {
    return;
  }
  kernels_.tally[element_index(matrix.dtype)][element_index(matrix.delta_dtype)]
                [static_cast<std::size_t>(matrix.role)][job_.stochastic ? 1 : 0](
                    block.weight, block.delta, block.count, points, tally);
}

void GridMeasurement::pass(bool with_moments, bool with_tallies, std::uint64_t progress) {
  const MatrixJob& matrix = job_.matrix;
  const auto measure =
      kernels_.moments[element_index(matrix.dtype)][element_index(matrix.delta_dtype)]
                      [static_cast<std::size_t>(matrix.role)];
  const std::size_t groups = with_tallies ? groups_.size() : 0;
  std::vector<GridMoments> moments((matrix.covered() + kRangeElements - 1) / kRangeElements);
  RangeSum<Tallies> tallies(Tallies(groups), [&](Tallies& total, const Tallies& range) {
    for (std::size_t i = 0; i < groups; ++i) total[i].add(range[i], groups_[i].count);
  });
  for_each_range(*job_.source, matrix, execution_,
                 [&](const CoveredRange& range, BlockReader& reader) {
                   std::vector<GridMoments> blocks;
                   Tallies of_range(groups);
                   reader.read(range, [&](const CoveredBlock& block) {
                     if (with_moments)
                       blocks.push_back(measure(block.weight, block.delta, block.count));
                     for (std::size_t i = 0; i < groups; ++i) tally_block(block, i, of_range[i]);
                   });
                   moments[range.number] = fold_pairwise(blocks.data(), blocks.size());
                   tallies.add(range.number, std::move(of_range));
                   execution_.advance((range.end - range.begin) * progress);
                 });
  if (with_moments) moments_ = fold_pairwise(moments.data(), moments.size());
  if (with_tallies) tallies_ = tallies.total();
  for (GroupTally& tally : tallies_) tally.accumulate();
}

MatrixGrid GridMeasurement::run() {
  const std::uint64_t element = editable_bytes(job_.matrix.dtype);
  if (job_.matrix.role == ScfRole::kDown) {
    pass(true, false, element / 2);
    settle_parameters();
    check_elements();
    plan_groups();
    if (delta_is_zero()) {
      execution_.advance(job_.matrix.covered() * (element - element / 2));
    } else {
      pass(false, true, element - element / 2);
    }
  } else {
    settle_parameters();
    plan_groups();
    pass(true, true, element);
    check_elements();
  }
  return make_grid(job_, moments_, parameters_, groups_, tallies_);
}

}  // namespace contourfuse
