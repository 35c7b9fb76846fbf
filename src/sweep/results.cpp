// Totals and quotients.
#include "contourfuse/sweep/results.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace contourfuse {
namespace {

std::optional<double> quotient(double numerator, double denominator) {
  if (denominator == 0) return std::nullopt;
  return numerator / denominator;
}

std::optional<double> root_of_quotient(double numerator, double denominator) {
  if (denominator == 0) return std::nullopt;
  return std::sqrt(numerator / denominator);
}

void add(GridPoint& sum, const GridPoint& point) {
  sum.moved += point.moved;
  sum.changed += point.changed;
  sum.lost += point.lost;
  sum.clamped += point.clamped;
  sum.sign_flips += point.sign_flips;
  sum.change2 += point.change2;
  sum.change += point.change;
}

void add(OutputPoint& sum, const OutputPoint& point) {
  sum.change2 += point.change2;
  sum.change += point.change;
  sum.cross += point.cross;
  sum.out2 += point.out2;
  sum.norm_change2 += point.norm_change2;
}

void add(std::optional<MatrixGrid>& sum, const std::optional<MatrixGrid>& matrix) {
  if (!matrix) return;
  if (!sum) sum.emplace().points.resize(matrix->points.size());
  sum->covered += matrix->covered;
  sum->weight2 += matrix->weight2;
  sum->max_delta = std::max(sum->max_delta, matrix->max_delta);
  for (std::size_t i = 0; i < matrix->points.size(); ++i) add(sum->points[i], matrix->points[i]);
}

void add(std::optional<OutputGrid>& sum, const std::optional<OutputGrid>& output) {
  if (!output) return;
  if (!sum) {
    sum.emplace().points.resize(output->points.size());
    sum->norm_base2 = 0;
  }
  sum->values += output->values;
  sum->base2 += output->base2;
  // A total over some layers only would look like one over all.
  if (!output->norm_base2) sum->norm_base2.reset();
  if (sum->norm_base2) *sum->norm_base2 += *output->norm_base2;
  for (std::size_t i = 0; i < output->points.size(); ++i) add(sum->points[i], output->points[i]);
}

}  // namespace

SweepResults make_results(std::vector<LayerGrid> layers) {
  SweepResults results;
  for (const LayerGrid& layer : layers) {
    add(results.total.gate, layer.gate);
    add(results.total.down, layer.down);
    add(results.total.output, layer.output);
  }
  results.layers = std::move(layers);
  return results;
}

std::optional<double> drift(const MatrixGrid& matrix, const GridPoint& point) {
  return root_of_quotient(point.change2, matrix.weight2);
}

std::optional<double> mean_shift(const MatrixGrid& matrix, const GridPoint& point) {
  return quotient(point.change, static_cast<double>(matrix.covered));
}

std::optional<double> output_error(const OutputGrid& output, const OutputPoint& point) {
  return root_of_quotient(point.change2, output.base2);
}

std::optional<double> output_cosine(const OutputGrid& output, const OutputPoint& point) {
  const std::optional<double> cosine =
      quotient(point.cross, std::sqrt(output.base2) * std::sqrt(point.out2));
  if (!cosine) return cosine;
  return std::clamp(*cosine, -1.0, 1.0);
}

std::optional<double> output_mean_shift(const OutputGrid& output, const OutputPoint& point) {
  return quotient(point.change, static_cast<double>(output.values));
}

std::optional<double> error_after_norm(const OutputGrid& output, const OutputPoint& point) {
  if (!output.norm_base2) return std::nullopt;
  return root_of_quotient(point.norm_change2, *output.norm_base2);
}

std::optional<double> gamma_saturates_at(const SweepResults& results) {
  if (!results.total.gate) return std::nullopt;
  return results.total.gate->max_delta;
}

}  // namespace contourfuse
