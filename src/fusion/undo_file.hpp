// The undo file of a fuse in place: a safetensors file with the bytes that were there before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/core/shape.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

/// A shard of the model; every one is listed, whether it changes or not.
struct UndoShard {
  std::string file{};  ///< plain file name
  std::uint64_t bytes = 0;
  std::uint64_t header_bytes = 0;  ///< with the length field
  std::string outside_hash{};      ///< outside_hash() of what no range covers
};

/// Bytes of a shard that will change: the rows of a tensor that the delta covers.
struct UndoRange {
  std::string tensor{};
  DType dtype = DType::kBF16;
  Shape shape{};
  std::size_t shard = 0;
  std::uint64_t offset = 0;  ///< in the shard's file
  std::uint64_t bytes = 0;
  std::string hash{};       ///< XXH3-128 of the original bytes
  std::uint64_t place = 0;  ///< of the original bytes in the undo file
};

/// A file beside the shards that will be written: README.md or the manifest, nothing else.
struct UndoSideFile {
  std::string name{};
  bool existed = false;  ///< the rest holds only if it did
  std::uint64_t bytes = 0;
  std::string hash{};
  std::uint64_t place = 0;
};

struct UndoRecord {
  std::string id{};                    ///< the header's own hash
  std::string model{};                 ///< absolute; bytes that are not UTF-8 are U+FFFD
  std::vector<std::string> command{};  ///< as a manifest has it
  nlohmann::json run{};                ///< numbers, layers and delta: what decides the result
  std::vector<UndoShard> shards{};
  std::vector<UndoRange> ranges{};  ///< by shard, then offset
  std::vector<UndoSideFile> files{};
};

/// Sets the places of ranges and files in a file that holds them in this order.
void assign_places(UndoRecord& record);
/// Bytes of the whole undo file, once the places are assigned.
[[nodiscard]] std::uint64_t undo_file_bytes(const UndoRecord& record);
/// Length field and header; sets the id. Its size does not depend on the hashes, if they have their
/// 32 digits.
[[nodiscard]] std::string undo_head(UndoRecord& record);

/// What undo_head() wrote. `head` is the file's beginning, `header` what it says. Untrusted: every
/// number and name is checked against the header and against the shards' own sizes. Throws
/// Error{kBadInput, "not-an-undo-file"}, Error{kFailed, "undo-damaged"}, and what JsonFields and
/// parse_json throw.
[[nodiscard]] UndoRecord parse_undo(std::string_view head, const SafetensorsHeader& header);
[[nodiscard]] UndoRecord read_undo_record(const File& file);

/// Tells a model from others of the same kind without reading it whole: XXH3-128 of a shard's
/// header and of both ends of everything between its ranges.
[[nodiscard]] std::string outside_hash(const File& shard, const UndoRecord& record,
                                       std::size_t index);

}  // namespace contourfuse
