// What workers share about one matrix while it is edited.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/io/hash.hpp"

namespace contourfuse {

struct PieceMoments {
  BlockMoments weight{};
  BlockMoments delta{};
};
PieceMoments operator+(const PieceMoments& a, const PieceMoments& b);

class MatrixState {
 public:
  MatrixState(const MatrixJob& job, const ScfNumbers& numbers, std::uint64_t piece_elements);

  void add_moments(std::uint64_t piece, const PieceMoments& moments);
  /// Waits for all moments, then settles α_dyn (or γ) once. Throws Abandoned when the run fails.
  Scaling scaling(std::uint64_t& delta_bytes_read);
  void add_record(std::uint64_t piece, const RecordCounts& counts, const RecordSums& sums,
                  const BadElements& bad);
  /// Waits for all records. Throws Abandoned when the run fails.
  void wait_for_records();
  void abandon();
  /// Waits for all records. Throws Abandoned when the run fails.
  [[nodiscard]] MatrixResult result();

  /// In the order of the file, under the shard's turnstile.
  Hash128 weight_hash{};
  Hash128 delta_hash{};

 private:
  void settle(std::uint64_t& delta_bytes_read);
  void settle_alpha();
  [[nodiscard]] bool delta_is_zero(std::uint64_t& bytes_read) const;

  const MatrixJob& job_;
  const ScfNumbers& numbers_;
  std::mutex mutex_{};
  std::condition_variable ready_{};
  std::vector<PieceMoments> moments_{};
  std::uint64_t moments_left_ = 0;
  std::vector<RecordSums> sums_{};
  std::uint64_t records_left_ = 0;
  RecordCounts counts_{};
  BadElements bad_{};
  std::optional<Scaling> scaling_{};
  bool abandoned_ = false;
};

/// One stored element as f32.
[[nodiscard]] float widen_element(DType dtype, const std::byte* element);
[[nodiscard]] bool is_finite_element(DType dtype, const std::byte* element);

}  // namespace contourfuse
