// The document of a fuse, its totals, and what a person should know.
#include "contourfuse/fusion/fuse_report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Above this share of lost edits the run hardly does what was asked.
constexpr double kMostlyLost = 0.5;

OrderedJson quotient(double numerator, double denominator) {
  if (denominator == 0) return nullptr;
  return numerator / denominator;
}

template <class Value>
OrderedJson or_null(const std::optional<Value>& value) {
  if (!value) return nullptr;
  return *value;
}

OrderedJson lost_rate(const RecordCounts& counts) {
  return quotient(static_cast<double>(counts.lost), static_cast<double>(counts.moved));
}

OrderedJson drift(const RecordSums& sums) {
  if (sums.weight2 == 0) return nullptr;
  return std::sqrt(sums.change2 / sums.weight2);
}

void add_counts(OrderedJson& out, const RecordCounts& counts) {
  out["moved"] = counts.moved;
  out["changed"] = counts.changed;
  out["lost"] = counts.lost;
  out["clamped"] = counts.clamped;
  out["sign_flips"] = counts.sign_flips;
  out["zero_weights"] = counts.zero_weights;
  out["nonfinite_kept"] = counts.nonfinite_kept;
}

void add_sums(OrderedJson& out, const RecordSums& sums) {
  out["sum_w2"] = sums.weight2;
  out["sum_out2"] = sums.out2;
  out["sum_change2"] = sums.change2;
  out["sum_change"] = sums.change;
  out["sum_w_out"] = sums.weight_out;
}

std::uint64_t covered(const PlannedMatrix& matrix) {
  return matrix.covered_shape[0] * matrix.covered_shape[1];
}

void add_result(OrderedJson& out, const PlannedMatrix& matrix, const MatrixResult& result) {
  if (matrix.role == Role::kDown) {
    out["sigma_weight"] = or_null(result.sigma_weight);
    out["sigma_delta"] = or_null(result.sigma_delta);
    out["alpha_dynamic"] = or_null(result.alpha_dynamic);
  }
  if (result.delta_is_zero) out["skipped"] = "delta is zero";
  out["elements"] = matrix.view.elements();
  out["covered"] = covered(matrix);
  add_counts(out, result.counts);
  add_sums(out, result.sums);
  out["max_change"] = result.sums.max_change;
  out["drift"] = drift(result.sums);
  out["cosine"] =
      quotient(result.sums.weight_out, std::sqrt(result.sums.weight2 * result.sums.out2));
  out["mean_shift"] = quotient(result.sums.change,
                               static_cast<double>(covered(matrix) - result.counts.nonfinite_kept));
  out["lost_rate"] = lost_rate(result.counts);
}

OrderedJson matrix_entry(const FusePlan& plan, const PlannedMatrix& matrix) {
  OrderedJson out;
  out["name"] = matrix.view.tensor;
  out["layer"] = matrix.layer;
  out["kind"] = to_string(matrix.kind);
  out["role"] = to_string(matrix.role);
  out["shard"] = plan.base.shards[matrix.shard].file;
  out["dtype"] = dtype_name(matrix.view.dtype);
  out["delta_dtype"] = dtype_name(matrix.delta_dtype);
  out["shape"] = Shape{matrix.view.rows, matrix.view.cols};
  out["covered_shape"] = matrix.covered_shape;
  out["double_wide"] = matrix.double_wide;
  return out;
}

OrderedJson totals_entry(const FusePlan& plan, const FuseReport& report) {
  const FuseTotals totals = fuse_totals(plan, report);
  OrderedJson out;
  out["matrices"] = totals.matrices;
  out["elements"] = totals.elements;
  out["covered"] = totals.covered;
  if (report.dry_run) return out;
  add_counts(out, totals.counts);
  add_sums(out, totals.sums);
  out["lost_rate"] = lost_rate(totals.counts);
  out["drift"] = drift(totals.sums);
  return out;
}

OrderedJson parameters_entry(const FuseParameters& parameters) {
  OrderedJson out;
  out["alpha"] = parameters.alpha;
  out["gamma_cap"] = static_cast<double>(static_cast<float>(parameters.gamma_cap));
  out["variance_norm"] = to_string(parameters.variance_norm);
  out["rounding"] = to_string(parameters.rounding);
  out["rounding_seed"] = parameters.rounding_seed;
  out["nonfinite"] = to_string(parameters.nonfinite);
  return out;
}

void add_lost(std::vector<std::string>& advice, std::string_view role, std::string_view flag,
              const RecordCounts& counts) {
  const auto lost = static_cast<double>(counts.lost);
  const auto moved = static_cast<double>(counts.moved);
  if (moved == 0 || lost / moved <= kMostlyLost) return;
  advice.push_back(fmt::format(
      "{:.1f} % of the edits of {} were lost to rounding: they are smaller than half a step of the "
      "stored type. A larger {} moves more; --rounding stochastic keeps them in the mean.",
      100 * lost / moved, role, flag));
}

}  // namespace

FuseTotals fuse_totals(const FusePlan& plan, const FuseReport& report, const Role* role,
                       const LayerKind* kind) {
  FuseTotals totals;
  for (std::size_t i = 0; i < plan.matrices.size(); ++i) {
    const PlannedMatrix& matrix = plan.matrices[i];
    if ((role != nullptr && matrix.role != *role) || (kind != nullptr && matrix.kind != *kind)) {
      continue;
    }
    ++totals.matrices;
    totals.elements += matrix.view.elements();
    totals.covered += covered(matrix);
    if (report.dry_run) continue;
    const MatrixResult& result = report.results.matrices.at(i);
    totals.counts = totals.counts + result.counts;
    totals.sums = totals.sums + result.sums;
  }
  return totals;
}

nlohmann::ordered_json fuse_document(const FusePlan& plan, const FuseReport& report) {
  OrderedJson out;
  out["schema"] = "contourfuse.fuse/1";
  out["version"] = CONTOURFUSE_VERSION;
  out["dry_run"] = report.dry_run;
  out["model"] = plan.settings.model;
  out["weights"] = plan.settings.weights.string();
  out["output"] = plan.settings.output.string();
  out["parameters"] = parameters_entry(plan.settings.parameters);
  out["architecture"] = {{"family", plan.base.config.family},
                         {"layers", plan.base.layers.size()},
                         {"hidden_size", plan.base.layers.front().hidden_size},
                         {"activation", plan.base.config.activation}};
  out["selected_layers"] = plan.selected_layers;
  out["coverage"] = {{"missing_keys", plan.missing_keys},
                     {"unknown_keys", plan.unknown_keys},
                     {"partial", plan.partial},
                     {"index_problems", plan.base.index_problems}};
  OrderedJson matrices = OrderedJson::array();
  for (std::size_t i = 0; i < plan.matrices.size(); ++i) {
    OrderedJson entry = matrix_entry(plan, plan.matrices[i]);
    if (report.dry_run) {
      entry["elements"] = plan.matrices[i].view.elements();
      entry["covered"] = covered(plan.matrices[i]);
    } else {
      add_result(entry, plan.matrices[i], report.results.matrices.at(i));
    }
    matrices.push_back(std::move(entry));
  }
  out["matrices"] = std::move(matrices);
  out["totals"] = totals_entry(plan, report);
  const PlannedBytes planned = planned_bytes(plan);
  out["bytes"] = {
      {"read", report.dry_run ? planned.read : report.results.bytes_read},
      {"written", report.dry_run ? planned.written : report.results.bytes_written},
      {"cloned", report.results.bytes_cloned},
      {"delta_read", report.dry_run ? planned.delta_read : report.results.delta_bytes_read}};
  if (plan.settings.resume && !report.dry_run) out["kept_shards"] = report.kept_shards;
  out["seconds"] = report.seconds;
  return out;
}

std::vector<std::string> fuse_advice(const FusePlan& plan, const FuseReport& report) {
  std::vector<std::string> advice = plan.base.notes;
  if (!plan.partial.empty()) {
    advice.push_back(
        fmt::format("{} matrices are covered in part only; --require-full-coverage "
                    "makes that an error.",
                    plan.partial.size()));
  }
  if (report.dry_run) return advice;
  advice.insert(advice.end(), report.results.notes.begin(), report.results.notes.end());
  const Role down = Role::kDown;
  const FuseTotals downs = fuse_totals(plan, report, &down);
  add_lost(advice, "down", "--alpha", downs.counts);
  const Role gate = Role::kGate;
  const FuseTotals gates = fuse_totals(plan, report, &gate);
  add_lost(advice, "gate", "--gamma-cap", gates.counts);
  if (gates.matrices > 0 && gates.counts.clamped == 0) {
    advice.push_back(
        fmt::format("No gate delta exceeds --gamma-cap {}: a larger one changes nothing.",
                    plan.settings.parameters.gamma_cap));
  }
  return advice;
}

}  // namespace contourfuse
