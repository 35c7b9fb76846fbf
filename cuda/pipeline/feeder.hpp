// The thread of a worker that reads, and gives the device its work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "contourfuse/io/hash.hpp"
#include "pipeline/worker.hpp"

namespace contourfuse::device {

class Feeder {
 public:
  explicit Feeder(Worker& worker);
  /// Until there are no more sections.
  void work();

 private:
  struct Matrix;

  void feed_plain(const Section& section);
  void feed_matrix(const Section& section);
  void feed_whole(Matrix& matrix);
  void feed_tiles(Matrix& matrix);
  void take_buffers(Matrix& matrix);
  void send_tables(Matrix& matrix, const DeltaTables& tables);
  /// Reads, passes on to the hash if this is the reading that counts, packs, copies.
  void send_weight(Matrix& matrix, const MatrixPart& tile, bool is_hashed);
  void send_delta(Matrix& matrix, const MatrixPart& tile, bool is_hashed);
  void measure_weight(Matrix& matrix, const MatrixPart& tile);
  void measure_delta(Matrix& matrix, const MatrixPart& tile);
  void settle(Matrix& matrix);
  void edit(Matrix& matrix, const MatrixPart& tile);
  /// What was copied so far is there for the kernels that follow.
  void show_to_kernels(Matrix& matrix);
  void hand_over(Matrix& matrix, const MatrixPart& tile, std::uint64_t ticket, bool is_last);
  void copy_in(std::byte* to, SlotLease slot, std::uint64_t bytes);
  template <class Call, class Value>
  const Value* fold(Value* values, std::uint64_t count);

  Worker& worker_;
  const RunParts& run_;
  SharedDevice& device_;
};

}  // namespace contourfuse::device
