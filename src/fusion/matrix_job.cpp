// From a plan to what a backend is given.
#include "contourfuse/fusion/matrix_job.hpp"

namespace contourfuse {

AlphaRule alpha_rule(VarianceNorm norm) noexcept {
  switch (norm) {
    case VarianceNorm::kUnit:
      return AlphaRule::kInverseSigma;
    case VarianceNorm::kNone:
      return AlphaRule::kPlain;
    default:
      return AlphaRule::kSigmaRatio;
  }
}

ScfNumbers scf_numbers(const FuseParameters& parameters) {
  return {.alpha = parameters.alpha,
          .gamma = static_cast<float>(parameters.gamma_cap),
          .alpha_rule = alpha_rule(parameters.variance_norm),
          .stochastic = parameters.rounding == Rounding::kStochastic,
          .rounding_seed = parameters.rounding_seed,
          .keep_nonfinite = parameters.nonfinite == NonFinite::kKeep};
}

MatrixJob matrix_job(const PlannedMatrix& matrix, const DeltaReader* delta) {
  return {.name = matrix.view.tensor,
          .delta_place = matrix.delta_place,
          .role = matrix.role == Role::kDown ? ScfRole::kDown : ScfRole::kGate,
          .shard = matrix.shard,
          .offset = matrix.view.file_offset,
          .rows = matrix.view.rows,
          .cols = matrix.view.cols,
          .covered_rows = matrix.covered_shape[0],
          .covered_cols = matrix.covered_shape[1],
          .dtype = matrix.view.dtype,
          .delta_dtype = matrix.delta_dtype,
          .delta = delta};
}

}  // namespace contourfuse
