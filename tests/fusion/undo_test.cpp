// Taking a fuse in place back: what is checked before anything is written.
#include "contourfuse/fusion/undo.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/io/hash.hpp"
#include "fusion/fusing.hpp"
#include "fusion/undo_file.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::error_of;
namespace fs = std::filesystem;
using test::kGate;
using test::read_bytes;
using test::write_bytes;

/// An undo file for the gate projection of the tiny checkpoint, made by hand.
class Undo : public test::Fusing {
 protected:
  Undo() {
    const std::string shard = read_bytes(base() / test::kShard1);
    const auto [begin, end] = test::tensor_range(shard, kGate);
    old_bytes = std::string(end - begin, 'o');
    const auto header = read_safetensors_header(base() / test::kShard1);
    record.model = base().string();
    record.command = {"contourfuse", "fuse"};
    record.shards = {{test::kShard1, shard.size(), header.data_begin(), ""}};
    record.ranges = {{kGate, DType::kBF16, {6, 4}, 0, begin, end - begin, std::string(32, '0'), 0}};
    record.shards[0].outside_hash = outside_hash(File::open(base() / test::kShard1), record, 0);
    record.files = {{.name = "README.md", .existed = true, .bytes = 4}, {.name = kManifestName}};
    settle();
    before = shard;
    expected = shard;
    expected.replace(begin, end - begin, old_bytes);
  }
  /// Writes the undo file of the record.
  void settle() {
    assign_places(record);
    record.ranges[0].hash = hash_text(old_bytes);
    record.files[0].hash = hash_text("card");
    head_bytes = undo_head(record).size();
    write_bytes(place(), undo_head(record) + old_bytes + "card");
  }
  [[nodiscard]] fs::path place() const { return folder.path() / "undo"; }
  [[nodiscard]] std::string shard() const { return read_bytes(base() / test::kShard1); }
  [[nodiscard]] Error undo_error() const {
    return error_of([&] { undo({.undo = place()}, {}); });
  }

  UndoRecord record{};
  std::size_t head_bytes = 0;
  std::string old_bytes{};
  std::string before{};
  std::string expected{};
};

TEST_F(Undo, WritesTheOldBytesAndFiles) {
  write_bytes(base() / kManifestName, R"({"command": ["contourfuse", "fuse"]})");
  const UndoReport report = undo({.undo = place()}, {});
  EXPECT_EQ(shard(), expected);
  EXPECT_EQ(read_bytes(base() / "README.md"), "card");
  EXPECT_FALSE(fs::exists(base() / kManifestName));
  EXPECT_EQ(report.model, base().string());
  EXPECT_EQ(report.bytes, old_bytes.size());
  EXPECT_TRUE(fs::exists(place())) << "it can be done again";
  const auto document = undo_document({.undo = place()}, report);
  EXPECT_EQ(document["restored"], nlohmann::json({"README.md"}));
  EXPECT_EQ(document["removed"], nlohmann::json({kManifestName}));
  EXPECT_EQ(document["tensors"], 1);
}

TEST_F(Undo, OnlyLooksIfToldSo) {
  const UndoReport report = undo({.undo = place(), .dry_run = true}, {});
  EXPECT_TRUE(report.dry_run);
  EXPECT_EQ(shard(), before);
  EXPECT_EQ(read_bytes(base() / "README.md"), "# Tiny\n");
}

TEST_F(Undo, FindsAnyFlippedByteBeforeItWrites) {
  const std::string whole = read_bytes(place());
  const std::size_t head = head_bytes;
  for (std::size_t at = head; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    write_bytes(place(), flipped);
    const Error error = undo_error();
    EXPECT_EQ(error.kind(), "undo-damaged") << at;
    EXPECT_EQ(error.place().file, place().string());
    EXPECT_EQ(error.place().tensor, at < head + old_bytes.size() ? kGate : "README.md");
    EXPECT_EQ(shard(), before);
  }
  write_bytes(place(), whole.substr(0, whole.size() - 1));
  EXPECT_EQ(undo_error().failure(), Failure::kBadInput);
  write_bytes(place(), whole);
  EXPECT_EQ(undo_error().kind(), "none");
}

TEST_F(Undo, KnowsTheModel) {
  std::string other = before;
  other.back() = static_cast<char>(other.back() ^ 1);  // of up_proj, which no fuse changes
  write_bytes(base() / test::kShard1, other);
  EXPECT_EQ(undo_error().kind(), "not-the-model");
  EXPECT_EQ(shard(), other);
  write_bytes(base() / test::kShard1, before + "x");
  EXPECT_EQ(undo_error().kind(), "not-the-model");
  fs::remove(base() / test::kShard1);
  EXPECT_EQ(undo_error().kind(), "file-missing");
  fs::remove_all(base());
  EXPECT_EQ(undo_error().kind(), "model-not-found");
}

TEST_F(Undo, ClearsAwayWhatAKilledRunLeftHalfWritten) {
  const fs::path stray = base() / "README.md.partial-0123456789abcdef";
  write_bytes(stray, "half");
  undo({.undo = place(), .dry_run = true}, {});
  EXPECT_TRUE(fs::exists(stray));
  undo({.undo = place()}, {});
  EXPECT_FALSE(fs::exists(stray));
  EXPECT_FALSE(fs::exists(base() / "contourfuse.unfinished"));
}

TEST_F(Undo, FindsAModelThatHasMoved) {
  fs::rename(base(), folder.path() / "moved");
  undo({.undo = place(), .model = folder.path() / "moved"}, {});
  EXPECT_EQ(read_bytes(folder.path() / "moved" / test::kShard1), expected);
}

TEST_F(Undo, RefusesAModelThatWasFusedAgain) {
  const fs::path manifest = base() / kManifestName;
  write_bytes(manifest, R"({"command": ["contourfuse", "fuse", "--alpha", "2"]})");
  EXPECT_EQ(undo_error().kind(), "fused-again");
  EXPECT_EQ(shard(), before);
  // Unless that is the manifest that was there before.
  const std::string text = read_bytes(manifest);
  record.files[1] = {.name = kManifestName, .existed = true, .bytes = text.size()};
  assign_places(record);
  record.ranges[0].hash = hash_text(old_bytes);
  record.files[0].hash = hash_text("card");
  record.files[1].hash = hash_text(text);
  write_bytes(place(), undo_head(record) + old_bytes + "card" + text);
  EXPECT_EQ(undo_error().kind(), "none");
  EXPECT_EQ(shard(), expected);
  EXPECT_EQ(read_bytes(manifest), text);
}

TEST_F(Undo, LeavesEverythingIfItIsInterruptedWhileItChecks) {
  Cancellation now;
  now.request();
  EXPECT_EQ(error_of([&] { undo({.undo = place()}, {.cancellation = &now}); }).kind(),
            "interrupted");
  EXPECT_EQ(shard(), before);
}

}  // namespace
}  // namespace contourfuse
