// One pass over a file: its hash, and where it differs from the base's file of that name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

/// The header (empty name) or a tensor of a shard.
struct Segment {
  std::string tensor{};
  ByteRange bytes{};                                ///< in the file
  std::optional<std::uint64_t> first_difference{};  ///< offset in the file
};

struct ShardScan {
  std::string hash{};
  std::string base_hash{};          ///< empty without a base
  std::vector<Segment> segments{};  ///< header, then tensors; empty without a base
};

/// Buffers of one worker; allocated once.
struct ScanBuffers {
  std::vector<std::byte> file{};
  std::vector<std::byte> base{};
};

/// Header and tensors of positive size, in the order of the file.
[[nodiscard]] std::vector<Segment> segments_of(const SafetensorsHeader& header);

/// On all threads. `base` may be null; else it has the size of `file` and `base_header` is its
/// header.
[[nodiscard]] ShardScan scan_shard(const File& file, const File* base,
                                   const SafetensorsHeader* base_header,
                                   const Execution& execution);

/// XXH3-128 of bytes [begin, end).
[[nodiscard]] std::string hash_range(const File& file, ByteRange range, ScanBuffers& buffers,
                                     const Execution& execution);

}  // namespace contourfuse
