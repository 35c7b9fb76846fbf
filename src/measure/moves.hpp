// Ranges that threads move one after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/bulk_writer.hpp"
#include "contourfuse/measure/traffic.hpp"

namespace contourfuse {

struct MoveTarget {
  BulkWriter* writer = nullptr;  ///< null: read only
  File* writeback = nullptr;     ///< the writer's file, if writeback is to start on the way
};

/// From a file to the same place of another; either may be missing.
struct Move {
  const BulkReader* source = nullptr;  ///< null: whatever is in the buffer
  MoveTarget target{};
  std::uint64_t offset = 0;
};

class Moves {
 public:
  explicit Moves(const TrafficSettings& settings);
  /// `bytes` in pieces of a worker's buffer.
  void add(Move first, std::uint64_t bytes);
  /// Each thread takes the next piece. Progress is in bytes read and bytes written.
  void run(const Execution& execution) const;

 private:
  struct Piece {
    Move move{};
    std::uint64_t bytes = 0;
  };
  static void work(const Piece& piece, PageBuffer& buffer);

  std::uint64_t piece_bytes_;
  std::vector<Piece> pieces_{};
};

}  // namespace contourfuse
