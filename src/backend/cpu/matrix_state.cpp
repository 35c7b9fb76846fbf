// What workers share about one matrix while it is edited.
#include "matrix_state.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "contourfuse/io/turnstile.hpp"
#include "contourfuse/numeric/float_formats.hpp"
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

PieceMoments operator+(const PieceMoments& a, const PieceMoments& b) {
  return {a.weight + b.weight, a.delta + b.delta};
}

MatrixState::MatrixState(const MatrixJob& job, const ScfNumbers& numbers,
                         std::uint64_t piece_elements)
    : job_(job), numbers_(numbers) {
  const std::uint64_t pieces = piece_count(job.covered(), piece_elements);
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
  scaling_ = normalized_scaling(all.weight, all.delta, job_.covered(), numbers_.alpha,
                                numbers_.alpha_rule);
  check_scaling(job_, *scaling_, all.delta.smallest);
}

void MatrixState::settle(std::uint64_t& delta_bytes_read) {
  if (needs_moments(job_, numbers_)) {
    settle_alpha();
    return;
  }
  Scaling scaling;
  if (job_.covered() > 0 && delta_is_zero(delta_bytes_read)) {
    scaling.state = ScalingState::kZeroDelta;
  } else {
    scaling.parameter =
        job_.role == ScfRole::kGate ? numbers_.gamma : static_cast<float>(numbers_.alpha);
  }
  scaling_ = scaling;
}

void MatrixState::add_record(std::uint64_t piece, const RecordCounts& counts,
                             const RecordSums& sums, const BadElements& bad) {
  const std::lock_guard lock(mutex_);
  sums_[piece] = sums;
  counts_ = counts_ + counts;
  bad_ = bad_ + bad;
  --records_left_;
  ready_.notify_all();
  if (records_left_ == 0 && !numbers_.keep_nonfinite) check_finite(job_, bad_);
}

void MatrixState::abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  ready_.notify_all();
}

void MatrixState::wait_for_records() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return records_left_ == 0 || abandoned_; });
  if (abandoned_) throw Abandoned{};
}

MatrixResult MatrixState::result() {
  wait_for_records();
  const std::lock_guard lock(mutex_);
  // Not with the last record: columns covered in part are edited after it.
  job_.delta->release();
  const Record record{counts_, fold_pairwise(sums_.data(), sums_.size()), bad_};
  MatrixResult result = matrix_result(job_, numbers_, scaling_.value_or(Scaling{}), record);
  result.weight_hash = weight_hash.hex();
  if (job_.delta->stored()) result.delta_hash = delta_hash.hex();
  return result;
}

}  // namespace contourfuse
