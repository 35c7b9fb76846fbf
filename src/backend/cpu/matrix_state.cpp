// What workers share about one matrix while it is edited.
#include "matrix_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "contourfuse/core/error.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "turnstile.hpp"
#include "work_list.hpp"

namespace contourfuse {

float widen_element(DType dtype, const std::byte* element) {
  if (dtype == DType::kF32) {
    std::uint32_t stored = 0;
    std::memcpy(&stored, element, sizeof stored);
    return F32::widen(stored);
  }
  std::uint16_t stored = 0;
  std::memcpy(&stored, element, sizeof stored);
  return dtype == DType::kBF16 ? Bf16::widen(stored) : F16::widen(stored);
}

bool is_finite_element(DType dtype, const std::byte* element) {
  return std::isfinite(widen_element(dtype, element));
}

BlockMoments operator+(const BlockMoments& a, const BlockMoments& b) {
  if (a.finite == 0) return {a.moments + b.moments, b.finite, b.smallest, b.largest};
  if (b.finite == 0) return {a.moments + b.moments, a.finite, a.smallest, a.largest};
  return {a.moments + b.moments, a.finite + b.finite, std::min(a.smallest, b.smallest),
          std::max(a.largest, b.largest)};
}

PieceMoments operator+(const PieceMoments& a, const PieceMoments& b) {
  return {a.weight + b.weight, a.delta + b.delta};
}

MatrixState::MatrixState(const MatrixJob& job, const ScfNumbers& numbers)
    : job_(job), numbers_(numbers) {
  const std::uint64_t pieces = piece_count(job.covered());
  if (needs_moments(job, numbers)) {
    moments_.resize(pieces);
    moments_left_ = pieces;
  }
  sums_.resize(pieces);
  records_left_ = pieces;
}

void MatrixState::add_moments(std::uint64_t piece, const PieceMoments& moments) {
  const std::lock_guard lock(mutex_);
  moments_[piece] = moments;
  --moments_left_;
  // Under the lock: without it, others may finish the matrix and destroy this state before the
  // call.
  ready_.notify_all();
}

Scaling MatrixState::scaling(std::uint64_t& delta_bytes_read) {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return moments_left_ == 0 || abandoned_; });
  if (abandoned_) throw Abandoned{};
  if (!scaling_) settle(delta_bytes_read);
  return *scaling_;
}

bool MatrixState::delta_is_zero(std::uint64_t& bytes_read) const {
  const std::uint64_t element = editable_bytes(job_.delta_dtype);
  std::vector<std::byte> block(kBlockElements * element);
  for (std::uint64_t first = 0; first < job_.covered(); first += kBlockElements) {
    const std::uint64_t count = std::min<std::uint64_t>(kBlockElements, job_.covered() - first);
    job_.delta->read(first, {block.data(), count * element});
    bytes_read += count * element;
    for (std::uint64_t i = 0; i < count; ++i) {
      // NaN is not equal to 0 either.
      if (widen_element(job_.delta_dtype, block.data() + i * element) != 0.0F) return false;
    }
  }
  return true;
}

void MatrixState::settle_alpha() {
  const PieceMoments all = fold_pairwise(moments_.data(), moments_.size());
  const BlockMoments& delta = all.delta;
  const bool no_delta = delta.finite == 0;  // --nonfinite keep leaves all bytes
  if (delta.finite == job_.covered() && delta.smallest == 0 && delta.largest == 0) {
    scaling_ = Scaling{0, true};
    return;
  }
  const double sigma_delta = no_delta ? 0 : standard_deviation(delta.moments, delta.finite);
  double alpha = numbers_.alpha;
  if (numbers_.alpha_rule == AlphaRule::kSigmaRatio) {
    const double sigma_weight =
        all.weight.finite == 0 ? 0 : standard_deviation(all.weight.moments, all.weight.finite);
    sigma_weight_ = sigma_weight;
    alpha *= sigma_weight;
  }
  sigma_delta_ = sigma_delta;
  if (no_delta) {
    scaling_ = Scaling{0, false};
    return;
  }
  alpha /= sigma_delta;
  const auto rounded = static_cast<float>(alpha);
  if (delta.smallest == delta.largest || !std::isfinite(rounded)) {
    throw Error(Failure::kBadInput, "no-spread",
                delta.smallest == delta.largest
                    ? fmt::format("all covered deltas are {}: there is no spread to normalize by",
                                  delta.smallest)
                    : "the delta's spread is too small to normalize by",
                {.file = job_.delta_place, .tensor = job_.name},
                "use --variance-norm none, or another delta");
  }
  scaling_ = Scaling{rounded, false};
}

void MatrixState::settle(std::uint64_t& delta_bytes_read) {
  if (needs_moments(job_, numbers_)) {
    settle_alpha();
    return;
  }
  const bool zero = job_.covered() > 0 && delta_is_zero(delta_bytes_read);
  const float parameter =
      job_.role == ScfRole::kGate ? numbers_.gamma : static_cast<float>(numbers_.alpha);
  scaling_ = Scaling{parameter, zero};
}

void MatrixState::add_record(std::uint64_t piece, const RecordCounts& counts,
                             const RecordSums& sums, const BadElements& bad) {
  const std::lock_guard lock(mutex_);
  sums_[piece] = sums;
  counts_ = counts_ + counts;
  bad_.add(bad);
  --records_left_;
  ready_.notify_all();
  if (records_left_ > 0 || bad_.count == 0 || numbers_.keep_nonfinite) return;
  const std::uint64_t element = editable_bytes(job_.dtype);
  const std::uint64_t at = job_.offset + bad_.first * element;
  throw Error(Failure::kBadInput, "non-finite",
              fmt::format("{} element{} not finite in the weight, the delta or the result; the "
                          "first is element {} (row {}, column {})",
                          bad_.count, bad_.count == 1 ? " is" : "s are", bad_.first,
                          bad_.first / job_.cols, bad_.first % job_.cols),
              {.file = job_.delta_place, .tensor = job_.name, .bytes = ByteRange{at, at + element}},
              "--nonfinite keep leaves such elements as they are");
}

void MatrixState::abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  ready_.notify_all();
}

MatrixResult MatrixState::result() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return records_left_ == 0 || abandoned_; });
  if (abandoned_) throw Abandoned{};
  // Not with the last record: columns covered in part are edited after it.
  job_.delta->release();
  MatrixResult result;
  const bool zero = scaling_ && scaling_->identity;
  if (!zero) {
    result.sigma_weight = sigma_weight_;
    result.sigma_delta = sigma_delta_;
    if (job_.role == ScfRole::kDown && scaling_) result.alpha_dynamic = scaling_->parameter;
  }
  result.delta_is_zero = zero;
  result.counts = counts_;
  result.sums = fold_pairwise(sums_.data(), sums_.size());
  result.weight_hash = weight_hash.hex();
  result.delta_hash = delta_hash.hex();
  return result;
}

}  // namespace contourfuse
