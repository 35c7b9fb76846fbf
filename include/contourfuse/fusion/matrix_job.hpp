// From a plan to what a backend is given.
#pragma once

#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

[[nodiscard]] AlphaRule alpha_rule(VarianceNorm norm) noexcept;
[[nodiscard]] ScfNumbers scf_numbers(const FuseParameters& parameters);
/// `delta` must outlive the job.
[[nodiscard]] MatrixJob matrix_job(const PlannedMatrix& matrix, const DeltaReader* delta);

}  // namespace contourfuse
