// What a worker's feeder hands its drainer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"
#include "pipeline/buffers.hpp"
#include "pipeline/pinned_pool.hpp"
#include "pipeline/tiles.hpp"

namespace contourfuse::device {

/// Bytes that stay as they are, in the slot that they were read to.
struct PlainParcel {
  SlotLease slot;
  std::size_t shard = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t ticket = 0;
  std::optional<std::size_t> matrix{};  ///< that the bytes are of; nothing of it is covered
  bool is_last = false;                 ///< of the matrix
};

/// An edited tile on the device, there once its buffers' `computed` has happened.
struct TileParcel {
  MatrixBuffers* buffers = nullptr;  ///< to be given back
  std::size_t matrix = 0;
  MatrixPart tile{};
  std::uint64_t ticket = 0;  ///< of its first window
  bool is_last = false;
  // Of the last tile:
  const Record* record = nullptr;         ///< of the matrix, on the device
  const BlockMoments* moments = nullptr;  ///< of its delta, on the device
  std::string delta_hash{};
};

struct NoMoreParcels {};

using Parcel = std::variant<NoMoreParcels, PlainParcel, TileParcel>;

}  // namespace contourfuse::device
