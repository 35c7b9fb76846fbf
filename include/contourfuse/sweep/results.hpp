// Results of a sweep: totals, and the files that hold them.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "contourfuse/sweep/grid.hpp"
#include "contourfuse/sweep/plan.hpp"

namespace contourfuse {

/// What a user's command said about one point.
struct Evaluation {
  std::size_t alpha = 0;  ///< index into the plan's alphas
  std::size_t gamma = 0;
  std::map<std::string, double> metrics{};
};

struct SweepResults {
  std::vector<LayerGrid> layers{};  ///< in the order of the plan's tasks
  LayerGrid total{};                ///< numerators and denominators of all layers added up
  std::vector<Evaluation> evaluations{};
};

/// The layers with their total.
[[nodiscard]] SweepResults make_results(std::vector<LayerGrid> layers);

/// A quotient over zero, and what it depends on is missing, is null.
[[nodiscard]] std::optional<double> drift(const MatrixGrid& matrix, const GridPoint& point);
[[nodiscard]] std::optional<double> mean_shift(const MatrixGrid& matrix, const GridPoint& point);
[[nodiscard]] std::optional<double> output_error(const OutputGrid& output,
                                                 const OutputPoint& point);
[[nodiscard]] std::optional<double> output_cosine(const OutputGrid& output,
                                                  const OutputPoint& point);
[[nodiscard]] std::optional<double> output_mean_shift(const OutputGrid& output,
                                                      const OutputPoint& point);
[[nodiscard]] std::optional<double> error_after_norm(const OutputGrid& output,
                                                     const OutputPoint& point);

/// The largest |Δ_gate| of all layers: beyond it γ changes nothing. Null without a gate delta.
[[nodiscard]] std::optional<double> gamma_saturates_at(const SweepResults& results);

/// One line a point and layer (docs/sweep.md), points in plan order (γ outer, α inner), the total
/// after the layers; handed on piece by piece, for a large grid has many.
void write_jsonl(const SweepPlan& plan, const SweepResults& results, const TextSink& sink);
void write_csv(const SweepPlan& plan, const SweepResults& results, const TextSink& sink);
/// The totals as a list of documents, for `--json`.
[[nodiscard]] nlohmann::ordered_json total_points(const SweepPlan& plan,
                                                  const SweepResults& results);

}  // namespace contourfuse
