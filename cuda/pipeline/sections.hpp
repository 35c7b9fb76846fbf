// The queue that all workers take their work from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse::device {

/// Bytes [begin, end) of a shard, for one worker: a matrix, or bytes between two.
struct Section {
  std::size_t shard = 0;
  std::optional<std::size_t> matrix{};
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t ticket = 0;  ///< of its first window; windows pass the shard's turnstiles in order
};

/// Slots that one section of plain bytes goes through.
inline constexpr std::uint64_t kPlainSlots = 4;

/// Hands sections out in the order of the files; matrices without elements are left out.
/// Thread-safe.
class SectionQueue {
 public:
  SectionQueue(const FuseJob& job, std::uint64_t slot_bytes);
  /// For a worker whose tiles are of `tile_elements`.
  [[nodiscard]] std::optional<Section> next(std::uint64_t tile_elements);

 private:
  [[nodiscard]] bool skip_what_is_done();

  const FuseJob& job_;
  const std::uint64_t slot_bytes_;
  std::mutex mutex_{};
  std::size_t shard_ = 0;
  std::size_t matrix_ = 0;  // next of the job
  std::uint64_t offset_ = 0;
  std::uint64_t ticket_ = 0;
};

}  // namespace contourfuse::device
