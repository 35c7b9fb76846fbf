// The plan of a fuse: plain data from headers alone; what --dry-run shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contourfuse/core/shape.hpp"
#include "contourfuse/fusion/delta.hpp"
#include "contourfuse/fusion/settings.hpp"
#include "contourfuse/model/checkpoint.hpp"

namespace contourfuse {

struct PlannedMatrix {
  std::uint64_t layer = 0;
  LayerKind kind = LayerKind::kGlobal;
  Role role = Role::kDown;  ///< kGate or kDown
  bool double_wide = false;
  std::size_t shard = 0;
  MatrixView view{};
  Shape covered_shape{};  ///< the delta's shape
  DType delta_dtype = DType::kBF16;
  std::string delta_place{};
};

/// Bytes that a run writes of a matrix: all of them, unless the delta covers none.
[[nodiscard]] std::uint64_t written_bytes(const PlannedMatrix& matrix);

struct FusePlan {
  FuseSettings settings{};
  Checkpoint base{};
  Delta delta{};
  std::vector<std::uint64_t> selected_layers{};
  std::vector<PlannedMatrix> matrices{};    ///< by shard name, then offset
  std::vector<std::string> missing_keys{};  ///< gate and down of selected layers without a delta
  std::vector<std::string> unknown_keys{};  ///< delta tensors that name no dense MLP of the base
  std::vector<std::string> partial{};       ///< matrices that the delta covers in part
};

/// Opens both sides, matches them and checks shapes and places; reads headers only and writes
/// nothing. Throws Error{kBadInput} for a delta larger than its weight ("delta-shape"), of no float
/// type ("delta-dtype"), partial coverage when full is required ("partial-coverage"), a delta that
/// matches nothing ("nothing-to-fuse"), an output in the wrong place, parameters out of range.
/// An empty `settings.output` is allowed for a dry run.
[[nodiscard]] FusePlan plan_fuse(const FuseSettings& settings);

/// Bytes that a run of the plan reads (base, stored delta) and writes.
struct PlannedBytes {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  std::uint64_t delta_read = 0;
};
[[nodiscard]] PlannedBytes planned_bytes(const FusePlan& plan);

}  // namespace contourfuse
