// The thread of a worker that takes the device's results and writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "contourfuse/io/hash.hpp"
#include "pipeline/worker.hpp"

namespace contourfuse::device {

class Drainer {
 public:
  explicit Drainer(Worker& worker);
  /// Until there are no more parcels.
  void work();

 private:
  /// A window on its way out, in the order of the file.
  struct Outgoing {
    SlotLease slot;
    MatrixPart window{};
    std::uint64_t ticket = 0;
  };

  void drain_plain(const PlainParcel& parcel);
  void drain_tile(const TileParcel& parcel);
  void take_numbers(const TileParcel& parcel);
  /// Waits for the oldest outgoing window, writes it.
  void finish_oldest(const MatrixJob& matrix);
  void finish_matrix(std::size_t matrix, std::string delta_hash);

  Worker& worker_;
  const RunParts& run_;
  SharedDevice& device_;
  const Event numbers_there_;
  std::deque<Outgoing> outgoing_{};
  // Of the matrix under way:
  Hash128 weight_hash_{};
  Scaling scaling_{};
  Record record_{};
};

}  // namespace contourfuse::device
