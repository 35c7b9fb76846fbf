// What every backend says alike about the grid of a matrix.
#include "contourfuse/sweep/grid_rules.hpp"

#include <algorithm>
#include <cmath>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scaling.hpp"

namespace contourfuse {
namespace {

bool is_down(const GridJob& job) { return job.matrix.role == ScfRole::kDown; }

bool is_zero(const GridJob& job, const GridMoments& moments) {
  return is_zero_delta(moments.delta, job.matrix.covered());
}

double largest_magnitude(const BlockMoments& moments) {
  if (moments.finite == 0) return 0;
  return static_cast<double>(std::max(std::fabs(moments.smallest), std::fabs(moments.largest)));
}

/// The largest value of an editable type.
double largest_value(DType dtype) {
  if (dtype == DType::kF16) return 65504;
  return dtype == DType::kBF16 ? 0x1.FEp127 : 0x1.FFFFFEp127;
}

bool vouch(const GridJob& job, const GridMoments& moments, std::span<const float> parameters) {
  const std::uint64_t covered = job.matrix.covered();
  if (moments.weight.finite != covered || moments.delta.finite != covered) return false;
  double largest = 0;
  for (const float parameter : parameters) {
    largest = std::max(largest, std::fabs(static_cast<double>(parameter)));
  }
  const double delta = largest_magnitude(moments.delta);
  const double contour = is_down(job) ? largest * delta : std::min(largest, delta);
  // Twice the bound: beyond any rounding of the steps.
  return contour < largest_value(DType::kF32) / 2 &&
         2 * largest_magnitude(moments.weight) * (1 + contour) < largest_value(job.matrix.dtype);
}

bool is_finite_result(DType dtype, float value) {
  if (dtype == DType::kF32) return std::isfinite(value);
  if (dtype == DType::kBF16) return Bf16::is_finite(Bf16::narrow(value));
  return F16::is_finite(F16::narrow(value));
}

}  // namespace

GridMoments operator+(const GridMoments& a, const GridMoments& b) {
  return {a.weight + b.weight, a.delta + b.delta, a.product + b.product};
}

std::vector<float> grid_parameters(const GridJob& job, const GridMoments& moments) {
  std::vector<float> parameters;
  for (const double value : job.values) {
    auto parameter = static_cast<float>(value);
    if (!is_down(job)) {
      parameter += 0.0F;  // γ = −0 is 0
    } else if (job.alpha_rule != AlphaRule::kPlain) {
      const Scaling scaling = normalized_scaling(moments.weight, moments.delta,
                                                 job.matrix.covered(), value, job.alpha_rule);
      check_scaling(job.matrix, scaling, moments.delta.smallest);
      parameter = scaling.parameter;
    }
    parameters.push_back(parameter);
  }
  return parameters;
}

std::vector<float> parameters_to_check(const GridJob& job, const GridMoments& moments,
                                       std::span<const float> parameters) {
  if (vouch(job, moments, parameters)) return {};
  // What a point makes infinite, every larger one of its sign does too; 0 is for the input alone.
  float least = 0;
  float most = 0;
  if (!is_zero(job, moments)) {
    for (const float parameter : parameters) {
      least = std::min(least, parameter);
      most = std::max(most, parameter);
    }
  }
  std::vector<float> checked{least, most, 0};
  std::stable_sort(checked.begin(), checked.end(),
                   [](float a, float b) { return std::fabs(a) > std::fabs(b); });
  checked.erase(std::unique(checked.begin(), checked.end()), checked.end());
  return checked;
}

bool is_refused(const MatrixJob& matrix, float weight, float delta, float parameter) {
  const float contour = matrix.role == ScfRole::kDown ? contour_down(delta, parameter)
                                                      : contour_gate(delta, parameter);
  return !std::isfinite(weight) || !std::isfinite(delta) ||
         !is_finite_result(matrix.dtype, apply_contour(contour, weight));
}

MatrixGrid make_grid(const GridJob& job, const GridMoments& moments,
                     std::span<const float> parameters, std::span<const PointGroup> groups,
                     std::span<const GroupTally> tallies) {
  MatrixGrid grid;
  grid.covered = job.matrix.covered();
  grid.weight2 = moments.weight.moments.sum_squares;
  grid.max_delta = largest_magnitude(moments.delta);
  grid.points.resize(parameters.size());
  if (is_zero(job, moments)) return grid;
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    write_points(job.matrix.role, job.stochastic, groups[i], tallies[i], grid.points);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    GridPoint& point = grid.points[i];
    point.parameter = parameters[i];
    if (!is_down(job)) continue;
    const auto alpha = static_cast<double>(parameters[i]);
    point.change2 = alpha * alpha * moments.product.sum_squares;
    point.change = alpha * moments.product.sum;
  }
  return grid;
}

}  // namespace contourfuse
