// Tables of a fuse: planned and done.
#include "fuse_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "console.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

/// Longest list of names that is shown whole.
constexpr std::size_t kListLimit = 10;

std::string percent_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? kNoValue
                    : format_percent(static_cast<double>(part) / static_cast<double>(whole));
}

std::string plural(std::size_t count, std::string_view noun, std::string_view many) {
  return fmt::format("{} {}", format_count(count), count == 1 ? noun : many);
}

void print_heading(const FusePlan& plan) {
  const FuseParameters& parameters = plan.settings.parameters;
  print_text(fmt::format("model    {} ({}, {} with a dense MLP, {} selected)\n",
                         visible(plan.settings.model), visible(plan.base.config.family),
                         plural(plan.base.layers.size(), "layer", "layers"),
                         format_count(plan.selected_layers.size())));
  print_text(fmt::format("delta    {} ({})\n", visible(plan.settings.weights.string()),
                         plan.delta.on_the_fly() ? "recipe, made on the fly" : "stored"));
  print_text(fmt::format("numbers  alpha {}, gamma cap {}, variance norm {}, rounding {}\n\n",
                         parameters.alpha, parameters.gamma_cap,
                         to_string(parameters.variance_norm), to_string(parameters.rounding)));
}

void print_mismatches(const FusePlan& plan) {
  print_list("missing: no delta for", plan.missing_keys, kListLimit);
  print_list("unknown: the delta has, the model has not", plan.unknown_keys, kListLimit);
  print_list("index problems", plan.base.index_problems, kListLimit);
}

std::vector<std::string> totals_cells(std::string kind, std::string role, const FuseTotals& totals,
                                      bool has_gate) {
  const RecordCounts& counts = totals.counts;
  const std::string drift =
      totals.sums.weight2 > 0 ? format_number(std::sqrt(totals.sums.change2 / totals.sums.weight2))
                              : kNoValue;
  return {std::move(kind),
          std::move(role),
          format_count(totals.matrices),
          format_count(totals.covered),
          percent_of(counts.changed, totals.covered),
          percent_of(counts.lost, counts.moved),
          has_gate ? percent_of(counts.clamped, totals.covered) : kNoValue,
          drift};
}

void print_matrices(const FusePlan& plan) {
  print_heading(plan);
  std::vector<const PlannedMatrix*> by_layer;
  for (const PlannedMatrix& matrix : plan.matrices) by_layer.push_back(&matrix);
  std::stable_sort(by_layer.begin(), by_layer.end(), [](const auto* a, const auto* b) {
    return std::pair(a->layer, a->role) < std::pair(b->layer, b->role);
  });

  Table table({{"layer"},
               {"kind", Align::kLeft},
               {"role", Align::kLeft},
               {"shape"},
               {"type", Align::kLeft},
               {"delta"},
               {"type", Align::kLeft},
               {"covered"},
               {"shard", Align::kLeft}});
  for (const PlannedMatrix* matrix : by_layer) {
    const std::uint64_t covered = element_count(matrix->covered_shape).value_or(0);
    table.add_row({std::to_string(matrix->layer),
                   std::string(to_string(matrix->kind)) + (matrix->double_wide ? " ×2" : ""),
                   std::string(to_string(matrix->role)),
                   to_string(Shape{matrix->view.rows, matrix->view.cols}),
                   std::string(dtype_name(matrix->view.dtype)), to_string(matrix->covered_shape),
                   std::string(dtype_name(matrix->delta_dtype)),
                   percent_of(covered, matrix->view.elements()),
                   visible(plan.base.shards[matrix->shard].file)});
  }
  print_text(table.text() + '\n');
  print_mismatches(plan);
  print_list("notes", plan.base.notes, kListLimit);
}

void print_totals(const FusePlan& plan, const FuseReport& report) {
  print_heading(plan);
  Table table({{"layers", Align::kLeft},
               {"role", Align::kLeft},
               {"matrices"},
               {"weights"},
               {"changed"},
               {"lost"},
               {"clamped"},
               {"drift"}});
  constexpr std::array kKinds{LayerKind::kSliding, LayerKind::kGlobal};
  constexpr std::array kRoles{Role::kGate, Role::kDown};
  for (const LayerKind kind : kKinds) {
    for (const Role role : kRoles) {
      const FuseTotals totals = fuse_totals(plan, report, &role, &kind);
      if (totals.matrices == 0) continue;
      table.add_row(totals_cells(std::string(to_string(kind)), std::string(to_string(role)), totals,
                                 role == Role::kGate));
    }
  }
  table.add_rule();
  table.add_row(totals_cells("all", "", fuse_totals(plan, report), false));
  print_text(table.text());
  print_text(
      "changed and clamped: share of the weights; lost: share of the edits that rounding to the\n"
      "stored type undid; drift: size of the change relative to the weights.\n\n");

  for (const std::string& sentence : fuse_advice(plan, report)) {
    print_text("note: " + visible(sentence) + '\n');
  }
  print_mismatches(plan);
}

std::string rate_text(const FuseReport& report) {
  return format_rate(static_cast<double>(report.results.bytes_read + report.results.bytes_written) /
                     std::max(report.seconds, 1e-6));
}

}  // namespace

void print_fuse_plan(const FusePlan& plan) {
  print_matrices(plan);
  const PlannedBytes bytes = planned_bytes(plan);
  print_text(
      fmt::format("dry run: {} to edit, {} covered in part; a run reads {} and writes {}. "
                  "Nothing was written.\n",
                  plural(plan.matrices.size(), "matrix", "matrices"), plan.partial.size(),
                  format_bytes(bytes.read), format_bytes(bytes.written)));
}

void print_in_place_plan(const FusePlan& plan, const InPlace& how) {
  print_matrices(plan);
  print_text(
      fmt::format("dry run: {} to edit in place, {} covered in part; {} would get {} first. "
                  "Nothing was written.\n",
                  plural(plan.matrices.size(), "matrix", "matrices"), plan.partial.size(),
                  visible(how.undo.string()), format_bytes(in_place_bytes(plan))));
}

void print_fuse_report(const FusePlan& plan, const FuseReport& report) {
  print_totals(plan, report);
  const FuseResults& results = report.results;
  const std::string cloned =
      results.bytes_cloned == 0 ? std::string()
                                : fmt::format(" and {} cloned", format_bytes(results.bytes_cloned));
  if (report.kept_shards > 0) {
    print_text(fmt::format("went on with an unfinished run: {} of {} were done\n",
                           report.kept_shards, plural(plan.base.shards.size(), "shard", "shards")));
  }
  print_text(fmt::format("wrote {}: {}{} in {} ({} read and written)\n",
                         visible(plan.settings.output.string()),
                         format_bytes(results.bytes_written), cloned,
                         format_duration(report.seconds), rate_text(report)));
}

void print_in_place_report(const FusePlan& plan, const FuseReport& report, const InPlace& how) {
  print_totals(plan, report);
  print_text(
      fmt::format("changed {} in place: {} in {} ({} read and written)\n"
                  "`contourfuse undo {}` takes it back; remove that file when you will not\n",
                  visible(plan.base.folder.string()), format_bytes(report.results.bytes_written),
                  format_duration(report.seconds), rate_text(report), visible(how.undo.string())));
}

}  // namespace contourfuse
