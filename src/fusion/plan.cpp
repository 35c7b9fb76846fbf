// Planning a fuse from headers alone.
#include "contourfuse/fusion/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "contourfuse/core/error.hpp"
#include "contourfuse/model/layer_selection.hpp"
#include "fusion/held_model.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr Role kEditedRoles[] = {Role::kGate, Role::kDown};

void check_parameters(const FuseParameters& parameters) {
  if (!std::isfinite(parameters.alpha)) {
    throw Error(Failure::kUsage, "bad-alpha", "--alpha must be a finite number");
  }
  if (!(parameters.gamma_cap >= 0) || !std::isfinite(parameters.gamma_cap)) {
    throw Error(Failure::kUsage, "bad-gamma-cap", "--gamma-cap must be a finite number, 0 or more");
  }
}

void check_output(const FuseSettings& settings, const Checkpoint& base) {
  if (settings.output.empty()) return;
  std::error_code ignored;
  if (fs::exists(base.folder / kUnfinishedName, ignored)) {
    throw Error(Failure::kBadInput, "model-unfinished",
                "a fuse in place of the model was not finished: it is edited in part",
                {.file = (base.folder / kUnfinishedName).string()},
                "this file says how the model is put back");
  }
  refuse_overlap(settings.output, base.folder);
  const fs::path& weights = settings.weights;
  refuse_overlap(settings.output, weights);
  if (fs::exists(fs::symlink_status(settings.output, ignored)) && !settings.overwrite) {
    throw Error(Failure::kBadInput, "output-exists", "the output exists already",
                {.file = settings.output.string()}, "choose another folder, or add --overwrite");
  }
}

/// Whether the delta fits, and if it covers the weight in part only.
bool check_shapes(const MatrixView& weight, const DeltaMatrix& delta, const std::string& place) {
  const Place where{.file = place, .tensor = weight.tensor};
  if (!is_editable(weight.dtype)) {
    throw Error(Failure::kBadInput, "dtype-not-editable",
                fmt::format("the weight is {}: only BF16, F16 and F32 can be edited",
                            dtype_name(weight.dtype)),
                where);
  }
  if (!is_editable(delta.dtype)) {
    throw Error(
        Failure::kBadInput, "delta-dtype",
        fmt::format("the delta is {}: only BF16, F16 and F32 can be used", dtype_name(delta.dtype)),
        where);
  }
  const Shape shape{weight.rows, weight.cols};
  if (delta.shape.size() != 2 || delta.shape[0] > shape[0] || delta.shape[1] > shape[1]) {
    throw Error(Failure::kBadInput, "delta-shape",
                fmt::format("the delta is {}, the weight is {}: a delta must not be larger",
                            to_string(delta.shape), to_string(shape)),
                where, "was the delta generated for another model?");
  }
  return delta.shape != shape;
}

void plan_layer(FusePlan& plan, const MlpLayer& layer) {
  for (const Role role : kEditedRoles) {
    const auto& matrix = layer.role(role);
    if (!matrix) continue;
    const MatrixView& view = matrix->view;
    const auto delta = plan.delta.find(layer, role);
    if (!delta) {
      plan.missing_keys.push_back(view.tensor);
      continue;
    }
    const std::string place = plan.delta.place(layer, role);
    if (check_shapes(view, *delta, place)) {
      if (plan.settings.parameters.require_full_coverage) {
        throw Error(Failure::kBadInput, "partial-coverage",
                    fmt::format("the delta is {}, the weight is {}, and full coverage is required",
                                to_string(delta->shape), to_string(Shape{view.rows, view.cols})),
                    {.file = place, .tensor = view.tensor});
      }
      plan.partial.push_back(view.tensor);
    }
    plan.matrices.push_back({layer.layer, layer.kind, role, layer.double_wide, matrix->shard, view,
                             delta->shape, delta->dtype, place});
  }
}

std::vector<std::string> unknown_names(const FusePlan& plan) {
  std::set<std::string_view> known;
  for (const MlpLayer& layer : plan.base.layers) {
    for (const auto& matrix : layer.roles) {
      if (matrix) known.insert(matrix->view.tensor);
    }
  }
  std::vector<std::string> unknown;
  for (std::string& name : plan.delta.tensor_names()) {
    if (!known.contains(name)) unknown.push_back(std::move(name));
  }
  return unknown;
}

}  // namespace

FusePlan plan_fuse(const FuseSettings& settings) {
  check_parameters(settings.parameters);
  FusePlan plan{.settings = settings,
                .base = open_checkpoint(settings.model, settings.revision),
                .delta = Delta::open(settings.weights)};
  require_dense_mlps(plan.base);
  check_output(settings, plan.base);
  plan.selected_layers = select_layers(settings.layers, plan.base.layers);
  for (const std::uint64_t layer : plan.selected_layers) {
    plan_layer(plan, *plan.base.find_layer(layer));
  }
  plan.unknown_keys = unknown_names(plan);
  if (plan.matrices.empty()) {
    throw Error(Failure::kBadInput, "nothing-to-fuse",
                "the delta has no gate or down matrix of any selected layer",
                {.file = settings.weights.string()},
                "see `contourfuse inspect` of the model and of the delta");
  }
  std::sort(plan.matrices.begin(), plan.matrices.end(),
            [](const PlannedMatrix& a, const PlannedMatrix& b) {
              return std::tie(a.shard, a.view.file_offset, a.view.tensor) <
                     std::tie(b.shard, b.view.file_offset, b.view.tensor);
            });
  return plan;
}

std::uint64_t written_bytes(const PlannedMatrix& matrix) {
  const std::uint64_t covered = matrix.covered_shape[0] * matrix.covered_shape[1];
  return covered == 0 ? 0 : matrix.view.elements() * editable_bytes(matrix.view.dtype);
}

PlannedBytes planned_bytes(const FusePlan& plan) {
  PlannedBytes bytes;
  for (const Shard& shard : plan.base.shards) bytes.written += shard.header.file_bytes();
  bytes.read = bytes.written;
  const bool two_passes = plan.settings.parameters.variance_norm != VarianceNorm::kNone;
  for (const PlannedMatrix& matrix : plan.matrices) {
    const std::uint64_t covered = matrix.covered_shape[0] * matrix.covered_shape[1];
    const std::uint64_t passes = matrix.role == Role::kDown && two_passes ? 2 : 1;
    if (!plan.delta.on_the_fly())
      bytes.delta_read += passes * covered * editable_bytes(matrix.delta_dtype);
    bytes.read += (passes - 1) * covered * editable_bytes(matrix.view.dtype);
  }
  bytes.read += bytes.delta_read;
  return bytes;
}

}  // namespace contourfuse
