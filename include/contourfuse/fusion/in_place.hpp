// Fusing a model in place, for those who have no room for a second copy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/fuse_report.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

struct InPlace {
  std::filesystem::path undo{};  ///< gets the original bytes of all that will change
  bool force = false;            ///< also change shards that others use under another name
};

/// Refuses (Error{kBadInput}) an undo file inside of the model or the delta ("undo-in-input"), a
/// delta inside of the model ("delta-in-model"), a missing folder ("undo-parent-missing"), and
/// unless forced what refuse_shared_shard refuses. Changes nothing.
void refuse_in_place(const FusePlan& plan, const InPlace& how);

/// For dry runs: the same, and (Error{kBadInput, "io-no-space" | "io-quota"}) an undo file for
/// which there is no room.
void refuse_unstartable(const FusePlan& plan, const InPlace& how);

/// Bytes that change, which the undo file holds (beside a header and small files).
[[nodiscard]] std::uint64_t in_place_bytes(const FusePlan& plan);

/// Fuses plan.base's own shards (plan.settings.output is not looked at). The undo file is whole and
/// durable before the first byte of the model changes. One that is there already must be of this
/// model and these settings (Error{kBadInput, "undo-differs"}): the originals are put back first,
/// whatever a killed run left. If the fuse fails for another reason than a signal or the storage,
/// the originals are put back and the undo file is removed.
FuseReport run_fuse_in_place(const FusePlan& plan, const InPlace& how, Backend& backend,
                             const Execution& execution);

/// fuse_document with "in_place" and "undo".
[[nodiscard]] nlohmann::ordered_json in_place_document(const FusePlan& plan,
                                                       const FuseReport& report,
                                                       const InPlace& how);

}  // namespace contourfuse
