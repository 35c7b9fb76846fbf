// From a plan to its job: files opened, deltas at hand.
#include "plan_job.hpp"

#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/matrix_job.hpp"

namespace contourfuse {

OwnedJob make_job(const FusePlan& plan) {
  OwnedJob owned;
  owned.sources.reserve(plan.base.shards.size());
  for (const Shard& shard : plan.base.shards) {
    owned.sources.push_back(File::open(plan.base.folder / shard.file));
  }
  for (std::size_t i = 0; i < owned.sources.size(); ++i) {
    owned.job.shards.push_back(
        {&owned.sources[i], nullptr, plan.base.shards[i].header.file_bytes()});
  }
  for (const PlannedMatrix& matrix : plan.matrices) {
    owned.deltas.push_back(plan.delta.reader(*plan.base.find_layer(matrix.layer), matrix.role));
    owned.job.matrices.push_back(matrix_job(matrix, owned.deltas.back().get()));
  }
  owned.job.numbers = scf_numbers(plan.settings.parameters);
  owned.job.read_method = plan.settings.read_method;
  if (owned.job.read_method == ReadMethod::kAuto) {
    owned.job.read_method = plan.settings.direct ? ReadMethod::kDirect : ReadMethod::kPread;
  }
  owned.job.write_direct = plan.settings.direct;
  owned.job.durable = plan.settings.durability == Durability::kFull;
  return owned;
}

void check_unchanged(const FusePlan& plan, const std::vector<File>& sources) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].identity() == plan.base.shards[i].identity) continue;
    throw Error(Failure::kFailed, kBaseChanged, "the file changed while it was read",
                {.file = sources[i].path().string()}, "run again when nobody writes to the model");
  }
}

}  // namespace contourfuse
