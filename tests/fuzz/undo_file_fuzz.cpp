// Fuzz target: the undo file of a fuse in place, a safetensors file.
#include "fusion/undo_file.hpp"

#include <optional>
#include <string>

#include "container_mutation.hpp"
#include "fusion/sealed_files.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

std::optional<SafetensorsHeader> header_of(std::string_view file) {
  return fuzz::accepted([&] {
    return parse_safetensors_header(std::as_bytes(std::span(file)), file.size(), "input");
  });
}

std::optional<UndoRecord> record_of(std::string_view head, const SafetensorsHeader& header) {
  try {
    return parse_undo(head, header);
  } catch (const Error& error) {
    if (error.kind() != "undo-damaged") fuzz::require_refusal_of_input(error);
    return std::nullopt;
  }
}

void check(const UndoRecord& record, const SafetensorsHeader& header) {
  for (const UndoShard& shard : record.shards) {
    require(std::filesystem::path(shard.file).filename() == shard.file && shard.file != ".." &&
                shard.file.find('\0') == std::string::npos,
            "a shard is a plain file name");
    require(shard.header_bytes <= shard.bytes, "a header lies in its file");
  }
  for (const UndoRange& range : record.ranges) {
    require(range.shard < record.shards.size(), "a range has a shard");
    const UndoShard& shard = record.shards[range.shard];
    require(range.offset >= shard.header_bytes && range.offset <= shard.bytes &&
                range.bytes <= shard.bytes - range.offset,
            "a range lies in its shard's payload");
    require(range.place >= header.data_begin() && range.place <= header.file_bytes() &&
                range.bytes <= header.file_bytes() - range.place,
            "its bytes lie in the undo file");
  }
  require(undo_file_bytes(record) <= header.file_bytes(), "nothing lies behind the file's end");
  UndoRecord copy = record;
  const std::string head = undo_head(copy);
  const std::uint64_t payload = header.file_bytes() - header.data_begin();
  const SafetensorsHeader again =
      parse_safetensors_header(std::as_bytes(std::span(head)), head.size() + payload, "again");
  UndoRecord twice = parse_undo(head, again);
  require(undo_head(twice) == head, "a record is written as it was read");
}

void parse(const std::string& file, const SafetensorsHeader& header) {
  const std::string_view head = std::string_view(file).substr(0, header.data_begin());
  if (const auto record = record_of(head, header)) check(*record, header);
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_container_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  std::string file(fuzz::text_of(data, size));
  const auto header = header_of(file);
  if (!header) return 0;
  parse(file, *header);
  // Hardly any change of a header leaves its hash right.
  file = test::sealed_undo(std::move(file));
  if (const auto right = header_of(file)) parse(file, *right);
  return 0;
}
