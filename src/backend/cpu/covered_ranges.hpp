// The covered elements of a matrix in fixed ranges, read by as many workers as there are threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/numeric/moments.hpp"

namespace contourfuse {

/// What one worker sums up by itself; a power of two of blocks, so that a range folds to one node
/// of the pairwise fold.
inline constexpr std::uint64_t kRangeElements = std::uint64_t{1} << 20;

struct CoveredRange {
  std::uint64_t number = 0;
  std::uint64_t begin = 0;  ///< covered elements [begin, end)
  std::uint64_t end = 0;
};

/// Covered elements next to each other, at most a block.
struct CoveredBlock {
  std::uint64_t first = 0;
  std::size_t count = 0;
  const std::byte* weight = nullptr;
  const std::byte* delta = nullptr;
};

/// One worker's buffers over a matrix and its delta.
class BlockReader {
 public:
  BlockReader(const File& source, const MatrixJob& matrix, const Execution& execution);
  /// Reads a range, cut into blocks. Checks for cancellation as it goes.
  void read(const CoveredRange& range, const std::function<void(const CoveredBlock&)>& visit);

 private:
  void read_weight(std::uint64_t first, std::uint64_t count);

  const File& source_;
  const MatrixJob& matrix_;
  const Execution& execution_;
  std::size_t weight_bytes_;
  std::size_t delta_bytes_;
  std::vector<std::uint64_t> weight_words_;
  std::vector<std::uint64_t> delta_words_;
};

/// Calls `work` for every range of `covered` elements, with a reader per thread. The first failure
/// stops all and is thrown.
void for_each_range(const File& source, const MatrixJob& matrix, const Execution& execution,
                    const std::function<void(const CoveredRange&, BlockReader&)>& work);

/// A sum of ranges that come in any order, added in theirs. Thread-safe.
template <class Value>
class RangeSum {
 public:
  RangeSum(Value zero, std::function<void(Value& total, const Value& value)> add)
      : total_(std::move(zero)), add_(std::move(add)) {}

  void add(std::uint64_t number, Value value) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(number, std::move(value));
    for (auto next = waiting_.find(next_); next != waiting_.end(); next = waiting_.find(next_)) {
      add_(total_, next->second);
      waiting_.erase(next);
      ++next_;
    }
  }
  /// Once all have come.
  [[nodiscard]] const Value& total() const noexcept { return total_; }

 private:
  std::mutex mutex_{};
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, Value> waiting_{};
  Value total_;
  std::function<void(Value&, const Value&)> add_;
};

}  // namespace contourfuse
