// The head of an undo file: what is written is read, and nothing else is.
#include "fusion/undo_file.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <span>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/hash.hpp"
#include "fusion/fusing.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;
using test::error_of;
namespace fs = std::filesystem;

const std::string kHash = "0123456789abcdef0123456789abcdef";

UndoRecord example() {
  UndoRecord record;
  record.model = "/models/ä";
  record.command = {"contourfuse", "fuse"};
  record.run = {{"alpha", 0.1}, {"layers", {1, 2}}};
  record.shards = {{"a.safetensors", 1000, 100, kHash}, {"b.safetensors", 500, 50, kHash}};
  record.ranges = {{"x", DType::kBF16, {2, 10}, 0, 100, 40, kHash, 0},
                   {"y", DType::kF32, {3}, 0, 140, 12, kHash, 0},
                   {"z", DType::kBF16, {10, 10}, 1, 300, 200, kHash, 0}};
  record.files = {{.name = "README.md", .existed = true, .bytes = 7, .hash = kHash},
                  {.name = "contourfuse.json"}};
  assign_places(record);
  return record;
}

std::uint64_t length_of(std::string_view head) {
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(head[i]);
  return length;
}

UndoRecord parse(const std::string& head, std::uint64_t payload) {
  const auto bytes = std::as_bytes(std::span(head));
  return parse_undo(head, parse_safetensors_header(bytes, head.size() + payload, "undo"));
}

/// The example's head with its document changed, and the header's own hash right again.
std::string changed_head(const std::function<void(Json&)>& change,
                         std::vector<TensorSpec> tensors = {{"x", DType::kBF16, {2, 10}},
                                                            {"y", DType::kF32, {3}},
                                                            {"z", DType::kBF16, {10, 10}},
                                                            {"file:README.md", DType::kU8, {7}}}) {
  UndoRecord unchanged = example();
  const std::string head = undo_head(unchanged);
  const auto header =
      parse_safetensors_header(std::as_bytes(std::span(head)), head.size() + 259, "undo");
  Json document = Json::parse(header.metadata().at("contourfuse.undo"));
  change(document);
  std::string text = make_safetensors_header(
      tensors, {{"contourfuse.undo", document.dump()}, {"header_xxh3_128", std::string(32, '0')}});
  Hash128 hash;
  hash.update(text);
  const std::string before = "\"header_xxh3_128\":\"";
  text.replace(text.find(before) + before.size(), 32, hash.hex());
  return text;
}

TEST(UndoFile, IsReadAsItWasWritten) {
  UndoRecord written = example();
  const std::string head = undo_head(written);
  EXPECT_EQ(head.size(), 8 + length_of(head));
  EXPECT_EQ(undo_file_bytes(written), head.size() + 40 + 12 + 200 + 7);
  const UndoRecord read = parse(head, 259);
  EXPECT_EQ(read.id, written.id);
  EXPECT_EQ(read.id.size(), 32U);
  EXPECT_EQ(read.model, written.model);
  EXPECT_EQ(read.command, written.command);
  EXPECT_EQ(read.run, written.run);
  ASSERT_EQ(read.shards.size(), 2U);
  EXPECT_EQ(read.shards[1].file, "b.safetensors");
  EXPECT_EQ(read.shards[1].bytes, 500U);
  EXPECT_EQ(read.shards[1].header_bytes, 50U);
  EXPECT_EQ(read.shards[1].outside_hash, kHash);
  ASSERT_EQ(read.ranges.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read.ranges[i].tensor, written.ranges[i].tensor);
    EXPECT_EQ(read.ranges[i].dtype, written.ranges[i].dtype);
    EXPECT_EQ(read.ranges[i].shape, written.ranges[i].shape);
    EXPECT_EQ(read.ranges[i].shard, written.ranges[i].shard);
    EXPECT_EQ(read.ranges[i].offset, written.ranges[i].offset);
    EXPECT_EQ(read.ranges[i].bytes, written.ranges[i].bytes);
    EXPECT_EQ(read.ranges[i].place, written.ranges[i].place);
  }
  EXPECT_EQ(read.ranges[0].place, head.size());
  EXPECT_EQ(read.ranges[2].place, head.size() + 52);
  ASSERT_EQ(read.files.size(), 2U);
  EXPECT_TRUE(read.files[0].existed);
  EXPECT_EQ(read.files[0].bytes, 7U);
  EXPECT_EQ(read.files[0].place, head.size() + 252);
  EXPECT_FALSE(read.files[1].existed);
}

TEST(UndoFile, HasAHeadWhoseSizeDoesNotDependOnTheHashes) {
  UndoRecord record = example();
  const std::size_t bytes = undo_head(record).size();
  for (UndoRange& range : record.ranges) range.hash = std::string(32, 'f');
  record.files[0].hash = std::string(32, 'e');
  EXPECT_EQ(undo_head(record).size(), bytes);
}

TEST(UndoFile, NoticesAFlippedBitAnywhereInItsHead) {
  UndoRecord record = example();
  const std::string head = undo_head(record);
  for (std::size_t at = 0; at < head.size(); ++at) {
    std::string flipped = head;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    EXPECT_NE(error_of([&] { static_cast<void>(parse(flipped, 259)); }).kind(), "none") << at;
  }
}

TEST(UndoFile, ChangedDocumentsAreReadIfTheirHashIsRight) {
  EXPECT_EQ(error_of([&] { static_cast<void>(parse(changed_head([](Json&) {}), 259)); }).kind(),
            "none");
}

TEST(UndoFile, RefusesWhatIsNone) {
  const std::string plain =
      make_safetensors_header(std::vector<TensorSpec>{{"x", DType::kU8, {3}}}, {{"format", "pt"}});
  EXPECT_EQ(error_of([&] { static_cast<void>(parse(plain, 3)); }).kind(), "not-an-undo-file");
  const std::string schema =
      changed_head([](Json& document) { document["schema"] = "contourfuse.undo/2"; });
  EXPECT_EQ(error_of([&] { static_cast<void>(parse(schema, 259)); }).kind(), "not-an-undo-file");
}

TEST(UndoFile, RefusesNamesAndNumbersThatLeadElsewhere) {
  const std::vector<std::pair<const char*, std::function<void(Json&)>>> attacks{
      {"a folder above", [](Json& d) { d["shards"][0]["file"] = "../a.safetensors"; }},
      {"another folder", [](Json& d) { d["shards"][0]["file"] = "/etc/passwd"; }},
      {"the folder", [](Json& d) { d["shards"][0]["file"] = "."; }},
      {"the folder above", [](Json& d) { d["shards"][0]["file"] = ".."; }},
      {"no name", [](Json& d) { d["shards"][0]["file"] = ""; }},
      {"a NUL", [](Json& d) { d["shards"][0]["file"] = std::string("a\0b", 3); }},
      {"one shard twice", [](Json& d) { d["shards"][1]["file"] = "a.safetensors"; }},
      {"no shards", [](Json& d) { d["shards"] = Json::array(); }},
      {"a header longer than its file", [](Json& d) { d["shards"][0]["header_bytes"] = 1001; }},
      {"a file of more bytes than there are",
       [](Json& d) { d["shards"][0]["bytes"] = 1ULL << 63; }},
      {"a negative size", [](Json& d) { d["shards"][0]["bytes"] = -1; }},
      {"a shard that is not there", [](Json& d) { d["ranges"][2]["shard"] = 2; }},
      {"bytes of the header", [](Json& d) { d["ranges"][0]["offset"] = 99; }},
      {"bytes past the end", [](Json& d) { d["ranges"][2]["offset"] = 301; }},
      {"an offset past the end", [](Json& d) { d["ranges"][2]["offset"] = 501; }},
      {"an offset that overflows", [](Json& d) { d["ranges"][2]["offset"] = ~0ULL; }},
      {"an overlap", [](Json& d) { d["ranges"][1]["offset"] = 139; }},
      {"another order", [](Json& d) { std::swap(d["ranges"][0], d["ranges"][2]); }},
      {"another size than the tensor's", [](Json& d) { d["ranges"][0]["bytes"] = 39; }},
      {"a tensor that is not there", [](Json& d) { d["ranges"][0]["tensor"] = "w"; }},
      {"a tensor twice", [](Json& d) { d["ranges"][1] = d["ranges"][0]; }},
      {"a hash that is none", [](Json& d) { d["ranges"][0]["xxh3_128"] = std::string(32, 'X'); }},
      {"a short hash", [](Json& d) { d["ranges"][0]["xxh3_128"] = "12"; }},
      {"a tensor of no range", [](Json& d) { d["ranges"].erase(2); }},
      {"no ranges", [](Json& d) { d["ranges"] = Json::array(); }},
      {"any file", [](Json& d) { d["files"][1]["name"] = "config.json"; }},
      {"a file above", [](Json& d) { d["files"][1]["name"] = "../contourfuse.json"; }},
      {"a file twice", [](Json& d) { d["files"][1]["name"] = "README.md"; }},
      {"a file of another size", [](Json& d) { d["files"][0]["bytes"] = 8; }},
      {"a file without its text", [](Json& d) { d["files"][1]["existed"] = true; }},
      {"no model", [](Json& d) { d.erase("model"); }},
      {"a command that is none",
       [](Json& d) {
         d["command"] = {1, 2};
       }},
      {"something more", [](Json& d) { d["more"] = 1; }},
      {"something more in a range", [](Json& d) { d["ranges"][0]["more"] = 1; }},
      {"no object", [](Json& d) { d = Json::array(); }}};
  for (const auto& [what, change] : attacks) {
    const Error error = error_of([&] { static_cast<void>(parse(changed_head(change), 259)); });
    EXPECT_EQ(error.failure(), Failure::kBadInput) << what;
    EXPECT_EQ(error.place().file, "undo") << what;
  }
}

TEST(UndoFile, RefusesATensorThatNobodyNames) {
  const std::string head = changed_head([](Json&) {}, {{"x", DType::kBF16, {2, 10}},
                                                       {"y", DType::kF32, {3}},
                                                       {"z", DType::kBF16, {10, 10}},
                                                       {"file:README.md", DType::kU8, {7}},
                                                       {"w", DType::kU8, {1}}});
  EXPECT_EQ(error_of([&] { static_cast<void>(parse(head, 260)); }).kind(), "undo-tensor");
}

class OutsideHash : public testing::Test {
 protected:
  OutsideHash() {
    record.shards = {{"s", 30'000, 100, ""}};
    record.ranges = {{"x", DType::kU8, {5000}, 0, 12'000, 5000, kHash, 0}};
    bytes.assign(30'000, 'a');
  }
  std::string hash() {
    const fs::path path = folder.path() / "s";
    test::write_bytes(path, bytes);
    return outside_hash(File::open(path), record, 0);
  }
  std::string hash_with(std::size_t at) {
    const char was = std::exchange(bytes[at], 'b');
    std::string changed = hash();
    bytes[at] = was;
    return changed;
  }

  test::TemporaryFolder folder{};
  UndoRecord record{};
  std::string bytes{};
};

TEST_F(OutsideHash, SeesHeaderAndTheEndsOfWhatStays) {
  const std::string before = hash();
  for (const std::size_t at : {0U, 99U, 100U, 4195U, 7904U, 11'999U, 17'000U, 21'095U, 29'999U}) {
    EXPECT_NE(hash_with(at), before) << at;
  }
  for (const std::size_t at : {12'000U, 16'999U, 4196U, 7903U}) {
    EXPECT_EQ(hash_with(at), before) << at;
  }
}

TEST_F(OutsideHash, DependsOnWhereTheRangesAre) {
  const std::string before = hash();
  record.ranges[0].offset += 100;
  EXPECT_NE(hash(), before);
}

}  // namespace
}  // namespace contourfuse
