// Composing and parsing the head of an undo file.
#include "fusion/undo_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/model_card.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSchema = "contourfuse.undo/1";
constexpr const char* kRecordKey = "contourfuse.undo";
constexpr const char* kHashKey = "header_xxh3_128";
// Inside a string every quote has a backslash before it: this stands once in a header.
constexpr std::string_view kBeforeHash = "\"header_xxh3_128\":\"";
constexpr std::size_t kHashDigits = 32;
/// More than any model or machine has.
constexpr std::size_t kMostShards = 100'000;
constexpr std::size_t kMostRanges = 1'000'000;
constexpr std::size_t kMostWords = 10'000;
constexpr std::size_t kMostText = 65'536;
constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int64_t>::max();
/// Of each end of a gap.
constexpr std::uint64_t kEndBytes = 4096;
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

/// No tensor that is edited has a name like this.
std::string tensor_of(const UndoSideFile& file) { return "file:" + file.name; }

std::string record_text(const UndoRecord& record) {
  Json shards = Json::array();
  for (const UndoShard& shard : record.shards) {
    shards.push_back({{"file", shard.file},
                      {"bytes", shard.bytes},
                      {"header_bytes", shard.header_bytes},
                      {"outside_xxh3_128", shard.outside_hash}});
  }
  Json ranges = Json::array();
  for (const UndoRange& range : record.ranges) {
    ranges.push_back({{"tensor", range.tensor},
                      {"shard", range.shard},
                      {"offset", range.offset},
                      {"bytes", range.bytes},
                      {"xxh3_128", range.hash}});
  }
  Json files = Json::array();
  for (const UndoSideFile& file : record.files) {
    Json entry{{"name", file.name}, {"existed", file.existed}};
    if (file.existed) {
      entry["bytes"] = file.bytes;
      entry["xxh3_128"] = file.hash;
    }
    files.push_back(std::move(entry));
  }
  const Json document{{"schema", kSchema},           {"model", record.model},
                      {"command", record.command},   {"run", record.run},
                      {"shards", std::move(shards)}, {"ranges", std::move(ranges)},
                      {"files", std::move(files)}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

[[noreturn]] void refuse_foreign(const std::string& file) {
  throw Error(Failure::kBadInput, "not-an-undo-file", "is no undo file of contourfuse",
              {.file = file}, "an undo file is what `contourfuse fuse --in-place --undo` wrote");
}

void check_own_hash(std::string_view head, const SafetensorsHeader& header) {
  const auto written = header.metadata().find(kHashKey);
  const std::size_t before = head.find(kBeforeHash);
  if (written == header.metadata().end() || before == std::string_view::npos) {
    refuse_foreign(header.file());
  }
  const std::size_t at = before + kBeforeHash.size();
  std::string text(head);
  text.replace(at, std::min(kHashDigits, text.size() - at), kHashDigits, '0');
  if (hash_text(text) == written->second) return;
  throw Error(Failure::kFailed, "undo-damaged",
              "the undo file's header was changed: its hash does not match",
              {.file = header.file(), .bytes = ByteRange{0, header.data_begin()}});
}

/// Reads the record of one undo file.
class RecordReader {
 public:
  RecordReader(const Json& document, const SafetensorsHeader& header)
      : fields_(document, header.file(), ""), header_(header) {
    fields_.allow({"schema", "model", "command", "run", "shards", "ranges", "files"});
    if (fields_.text("schema", kMostText) != kSchema) refuse_foreign(header.file());
  }

  UndoRecord read() {
    record_.model = fields_.text("model", kMostText);
    for (const Json& word : fields_.array("command", kMostWords)) {
      if (!word.is_string()) fields_.refuse("command", "holds something that is no string");
      record_.command.push_back(word.get<std::string>());
    }
    record_.run = fields_.at("run");
    read_shards();
    read_ranges();
    read_files();
    if (used_.size() != header_.tensors().size()) {
      throw Error(Failure::kBadInput, "undo-tensor", "a tensor belongs to no range and no file",
                  {.file = header_.file()});
    }
    return std::move(record_);
  }

 private:
  static std::string hash(const JsonFields& fields, std::string_view key) {
    std::string digits = fields.text(key, kHashDigits);
    if (digits.size() != kHashDigits ||
        digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
      fields.refuse(key, "is not 32 hexadecimal digits");
    }
    return digits;
  }

  /// The tensor of the undo file's own that holds `bytes` bytes; each is taken once.
  const TensorInfo& take(const JsonFields& fields, std::string_view key, const std::string& name,
                         std::uint64_t bytes) {
    const TensorInfo* tensor = header_.find(name);
    if (tensor == nullptr) fields.refuse(key, "names no tensor of the undo file");
    if (!used_.insert(name).second) fields.refuse(key, "names a tensor that was named before");
    if (tensor->end - tensor->begin != bytes) fields.refuse(key, "has another size in the file");
    return *tensor;
  }

  void read_shards() {
    const std::size_t count = fields_.array("shards", kMostShards).size();
    if (count == 0) fields_.refuse("shards", "is empty");
    std::set<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
      const JsonFields fields = fields_.entry("shards", i);
      fields.allow({"file", "bytes", "header_bytes", "outside_xxh3_128"});
      UndoShard shard;
      shard.file = fields.text("file", kMostText);
      // A name in the model's folder: with nothing else is anything ever opened.
      if (shard.file.empty() || shard.file == "." || shard.file == ".." ||
          shard.file.find('/') != std::string::npos || shard.file.find('\0') != std::string::npos) {
        fields.refuse("file", "is no plain file name");
      }
      if (!names.insert(shard.file).second) fields.refuse("file", "is listed twice");
      shard.bytes = fields.whole_number("bytes", 0, kMostBytes);
      shard.header_bytes = fields.whole_number("header_bytes", 0, shard.bytes);
      shard.outside_hash = hash(fields, "outside_xxh3_128");
      record_.shards.push_back(std::move(shard));
    }
  }

  void read_ranges() {
    const std::size_t count = fields_.array("ranges", kMostRanges).size();
    if (count == 0) fields_.refuse("ranges", "is empty");
    for (std::size_t i = 0; i < count; ++i) {
      const JsonFields fields = fields_.entry("ranges", i);
      fields.allow({"tensor", "shard", "offset", "bytes", "xxh3_128"});
      UndoRange range;
      range.tensor = fields.text("tensor", kMostText);
      range.shard = fields.whole_number("shard", 0, record_.shards.size() - 1);
      const UndoShard& shard = record_.shards[range.shard];
      range.offset = fields.whole_number("offset", shard.header_bytes, shard.bytes);
      range.bytes = fields.whole_number("bytes", 0, shard.bytes - range.offset);
      range.hash = hash(fields, "xxh3_128");
      if (!record_.ranges.empty()) {
        const UndoRange& before = record_.ranges.back();
        if (range.shard < before.shard ||
            (range.shard == before.shard && range.offset < before.offset + before.bytes)) {
          fields.refuse("offset", "overlaps the range before, or comes before it");
        }
      }
      const TensorInfo& tensor = take(fields, "tensor", range.tensor, range.bytes);
      range.dtype = tensor.dtype;
      range.shape = tensor.shape;
      range.place = header_.data_begin() + tensor.begin;
      record_.ranges.push_back(std::move(range));
    }
  }

  void read_files() {
    constexpr std::array<std::string_view, 2> kKnown{kModelCardName, kManifestName};
    const std::size_t count = fields_.array("files", kKnown.size()).size();
    std::set<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
      const JsonFields fields = fields_.entry("files", i);
      fields.allow({"name", "existed", "bytes", "xxh3_128"});
      UndoSideFile file;
      file.name = fields.text("name", kMostText);
      if (std::ranges::find(kKnown, file.name) == kKnown.end()) {
        fields.refuse("name", "is no file that a fuse writes");
      }
      if (!names.insert(file.name).second) fields.refuse("name", "is listed twice");
      file.existed = fields.boolean("existed");
      if (file.existed) {
        file.bytes = fields.whole_number("bytes", 0, kMaxJsonBytes);
        file.hash = hash(fields, "xxh3_128");
        file.place = header_.data_begin() + take(fields, "name", tensor_of(file), file.bytes).begin;
      }
      record_.files.push_back(std::move(file));
    }
  }

  JsonFields fields_;
  const SafetensorsHeader& header_;
  UndoRecord record_{};
  std::set<std::string> used_{};
};

/// Passes bytes [begin, end) of a file to a hash.
void hash_bytes(Hash128& hash, const File& file, std::uint64_t begin, std::uint64_t end,
                std::vector<std::byte>& buffer) {
  while (begin < end) {
    buffer.resize(std::min(end - begin, kPieceBytes));
    file.read(begin, buffer);
    hash.update(buffer);
    begin += buffer.size();
  }
}

}  // namespace

std::string undo_head(UndoRecord& record) {
  std::vector<TensorSpec> tensors;
  for (const UndoRange& range : record.ranges) {
    tensors.push_back({range.tensor, range.dtype, range.shape});
  }
  for (const UndoSideFile& file : record.files) {
    if (file.existed) tensors.push_back({tensor_of(file), DType::kU8, {file.bytes}});
  }
  std::string head = make_safetensors_header(
      tensors, {{kRecordKey, record_text(record)}, {kHashKey, std::string(kHashDigits, '0')}});
  record.id = hash_text(head);
  head.replace(head.find(kBeforeHash) + kBeforeHash.size(), kHashDigits, record.id);
  return head;
}

void assign_places(UndoRecord& record) {
  constexpr std::string_view kNoHash = "00000000000000000000000000000000";
  for (UndoShard& shard : record.shards) {
    if (shard.outside_hash.empty()) shard.outside_hash = kNoHash;
  }
  for (UndoRange& range : record.ranges) range.hash = kNoHash;
  for (UndoSideFile& file : record.files) file.hash = kNoHash;
  std::uint64_t place = undo_head(record).size();
  for (UndoRange& range : record.ranges) place = (range.place = place) + range.bytes;
  for (UndoSideFile& file : record.files) {
    if (file.existed) place = (file.place = place) + file.bytes;
  }
}

std::uint64_t undo_file_bytes(const UndoRecord& record) {
  std::uint64_t end = 0;
  for (const UndoRange& range : record.ranges) end = std::max(end, range.place + range.bytes);
  for (const UndoSideFile& file : record.files) {
    if (file.existed) end = std::max(end, file.place + file.bytes);
  }
  return end;
}

UndoRecord parse_undo(std::string_view head, const SafetensorsHeader& header) {
  const auto text = header.metadata().find(kRecordKey);
  if (text == header.metadata().end()) refuse_foreign(header.file());
  check_own_hash(head, header);
  const Json document = parse_json(text->second, header.file());
  UndoRecord record = RecordReader(document, header).read();
  record.id = header.metadata().at(kHashKey);
  return record;
}

UndoRecord read_undo_record(const File& file) {
  const SafetensorsHeader header = read_safetensors_header(file.path());
  std::string head(header.data_begin(), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  return parse_undo(head, header);
}

std::string outside_hash(const File& shard, const UndoRecord& record, std::size_t index) {
  const UndoShard& of = record.shards[index];
  Hash128 hash;
  std::vector<std::byte> buffer;
  hash_bytes(hash, shard, 0, of.header_bytes, buffer);
  std::uint64_t at = of.header_bytes;
  const auto add_gap = [&](std::uint64_t end) {
    hash.update(fmt::format("{}-{};", at, end));
    const std::uint64_t first = std::min(end, at + kEndBytes);
    hash_bytes(hash, shard, at, first, buffer);
    hash_bytes(hash, shard, std::max(first, end - std::min(end, kEndBytes)), end, buffer);
  };
  for (const UndoRange& range : record.ranges) {
    if (range.shard != index) continue;
    add_gap(range.offset);
    at = range.offset + range.bytes;
  }
  add_gap(of.bytes);
  return hash.hex();
}

}  // namespace contourfuse
