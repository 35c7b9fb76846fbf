// What all backends say the same way about a matrix: its errors and its result.
#include "contourfuse/fusion/backend.hpp"

#include <fmt/format.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

bool needs_moments(const MatrixJob& matrix, const ScfNumbers& numbers) noexcept {
  return matrix.role == ScfRole::kDown && numbers.alpha_rule != AlphaRule::kPlain;
}

void check_scaling(const MatrixJob& matrix, const Scaling& scaling, float delta) {
  const bool all_equal = scaling.state == ScalingState::kNoSpread;
  if (!all_equal && scaling.state != ScalingState::kSmallSpread) return;
  throw Error(
      Failure::kBadInput, "no-spread",
      all_equal
          ? fmt::format("all covered deltas are {}: there is no spread to normalize by", delta)
          : "the delta's spread is too small to normalize by",
      {.file = matrix.delta_place, .tensor = matrix.name},
      "use --variance-norm none, or another delta");
}

void check_finite(const MatrixJob& matrix, const BadElements& bad) {
  if (bad.count == 0) return;
  const std::uint64_t element = editable_bytes(matrix.dtype);
  const std::uint64_t at = matrix.offset + bad.first * element;
  throw Error(
      Failure::kBadInput, "non-finite",
      fmt::format("{} element{} not finite in the weight, the delta or the result; the first is "
                  "element {} (row {}, column {})",
                  bad.count, bad.count == 1 ? " is" : "s are", bad.first, bad.first / matrix.cols,
                  bad.first % matrix.cols),
      {.file = matrix.delta_place, .tensor = matrix.name, .bytes = ByteRange{at, at + element}},
      "--nonfinite keep leaves such elements as they are");
}

MatrixResult matrix_result(const MatrixJob& matrix, const ScfNumbers& numbers,
                           const Scaling& scaling, const Record& record) {
  MatrixResult result;
  result.delta_is_zero = scaling.state == ScalingState::kZeroDelta;
  result.counts = record.counts;
  result.sums = record.sums;
  if (result.delta_is_zero || matrix.covered() == 0) return result;
  if (needs_moments(matrix, numbers)) {
    if (numbers.alpha_rule == AlphaRule::kSigmaRatio) result.sigma_weight = scaling.sigma_weight;
    result.sigma_delta = scaling.sigma_delta;
  }
  if (matrix.role == ScfRole::kDown) result.alpha_dynamic = scaling.parameter;
  return result;
}

void note_refusals(FuseResults& results, const File* read, const File* written) {
  if (read != nullptr) {
    results.notes.push_back(
        fmt::format("The filesystem of {} refuses direct reads: the page cache was used.",
                    read->path().string()));
  }
  if (written != nullptr) {
    results.notes.push_back(
        "The output's filesystem refuses direct writes: the page cache was used.");
  }
}

}  // namespace contourfuse
