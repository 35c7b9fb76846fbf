// The order in which workers take the pieces of a fuse.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

/// Blocks of a piece: a power of two, so that a piece folds to one node of the pairwise fold, and
/// results do not depend on which. 32 are 512 KiB of bf16: enough for full rates through the page
/// cache.
inline constexpr std::uint64_t kPieceBlocks = 32;
/// 4 MiB of bf16: what a drive wants that is read and written past the cache.
inline constexpr std::uint64_t kDirectPieceBlocks = 256;
inline constexpr std::uint64_t kMostPieceBlocks = kDirectPieceBlocks;

/// Elements of a piece, so that all workers' buffers stay below 64 MB, and below 512 MB for
/// transfers past the page cache.
[[nodiscard]] std::uint64_t piece_elements(const FuseJob& job, int threads);
/// Whether transfers past the page cache are asked for: pieces then stand in their buffers as in
/// their files (PageBuffer::place).
[[nodiscard]] bool is_in_place(const FuseJob& job) noexcept;
/// Bytes of a plain copy.
[[nodiscard]] constexpr std::uint64_t copy_bytes(std::uint64_t piece_elements) noexcept {
  return 2 * piece_elements;
}

enum class Step : std::uint8_t {
  kCopy,     ///< bytes [begin, end) of the shard as they are
  kMoments,  ///< moments of covered elements [begin, end)
  kRecord,   ///< record of covered elements [begin, end) of a matrix covered in part of its columns
  kEdit,     ///< bytes [begin, end) of the shard, edited; with the record if columns are full
};

struct WorkItem {
  Step step = Step::kCopy;
  std::size_t shard = 0;
  std::size_t matrix = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t piece = 0;   ///< number among the matrix's pieces of this step
  std::uint64_t ticket = 0;  ///< order among the shard's pieces of bytes
};

/// Hands items out by shard and offset, each matrix's moments before its edit. Made as it goes: its
/// size does not grow with the model. Thread-safe.
class WorkList {
 public:
  WorkList(const FuseJob& job, std::uint64_t piece_elements);
  [[nodiscard]] std::optional<WorkItem> next();

 private:
  void open_section();
  [[nodiscard]] std::uint64_t step_end(Step step) const;

  const FuseJob& job_;
  std::uint64_t piece_elements_;
  std::mutex mutex_{};
  std::size_t shard_ = 0;
  std::size_t matrix_ = 0;    // next matrix of the job
  std::uint64_t offset_ = 0;  // bytes of the shard that were handed out
  std::uint64_t ticket_ = 0;
  std::vector<Step> steps_{};  // still to do for the current section, last one first
  std::uint64_t at_ = 0;       // within the current step
  std::uint64_t piece_ = 0;
  bool editing_ = false;  // the section is matrix_, else a copy up to it
};

[[nodiscard]] std::uint64_t piece_count(std::uint64_t elements,
                                        std::uint64_t piece_elements) noexcept;

}  // namespace contourfuse
