// Fusing the tiny checkpoint in place: what is on disk when, what is refused, what failures leave.
#include "contourfuse/fusion/in_place.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/fusion/undo.hpp"
#include "fusion/fusing.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::bf16_bytes;
using test::error_of;
using test::kDown;
using test::kGate;
using test::read_bytes;
namespace fs = std::filesystem;

/// Turns every bit of the covered rows of its matrices, one byte after the other.
class TurningBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "turning"; }
  FuseResults run(const FuseJob& job, const Execution& /*execution*/) override {
    FuseResults results;
    results.matrices.resize(job.matrices.size());
    results.shards.resize(job.shards.size());
    if (before) before();
    for (const MatrixJob& matrix : job.matrices) {
      const ShardJob& shard = job.shards[matrix.shard];
      EXPECT_EQ(shard.copying, CopyMethod::kCloned);
      std::vector<std::byte> bytes(matrix.covered_rows * matrix.cols *
                                   editable_bytes(matrix.dtype));
      shard.source->read(matrix.offset, bytes);
      for (std::byte& byte : bytes) byte = ~byte;
      shard.target->write(matrix.offset, bytes);
      results.bytes_written += bytes.size();
      if (after_a_matrix) after_a_matrix();
    }
    for (const ShardJob& shard : job.shards) untouched += shard.target == nullptr ? 1 : 0;
    return results;
  }

  std::function<void()> before{};
  std::function<void()> after_a_matrix{};
  int untouched = 0;
};

class RunFuseInPlace : public test::Fusing {
 protected:
  RunFuseInPlace() {
    settings.output.clear();
    settings.durability = Durability::kNone;
    settings.command = {"contourfuse", "fuse"};
    how.undo = folder.path() / "undo";
    write_whole_delta();
    original = files();
  }
  /// Content of every file of the model.
  [[nodiscard]] std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(base())) {
      if (!entry.is_regular_file()) continue;
      found[entry.path().lexically_relative(base()).string()] = read_bytes(entry.path());
    }
    return found;
  }
  FuseReport fuse() { return run_fuse_in_place(plan_fuse(settings), how, backend, {}); }
  [[nodiscard]] Error fuse_error() {
    return error_of([&] { fuse(); });
  }
  UndoReport take_back() const { return undo({.undo = how.undo}, {}); }

  InPlace how{};
  TurningBackend backend{};
  std::map<std::string, std::string> original{};
};

TEST_F(RunFuseInPlace, HasAWholeUndoFileBeforeTheFirstByteChanges) {
  bool looked = false;
  backend.before = [&] {
    auto now = files();
    now.erase("contourfuse.unfinished");
    EXPECT_EQ(now, original);
    const std::string undo_bytes = read_bytes(how.undo);
    for (const auto& [shard, tensor] :
         {std::pair{test::kShard1, kGate}, std::pair{test::kShard2, kDown}}) {
      const auto [begin, end] = test::tensor_range(original[shard], tensor);
      EXPECT_NE(undo_bytes.find(original[shard].substr(begin, end - begin)), std::string::npos);
    }
    looked = true;
  };
  fuse();
  EXPECT_TRUE(looked);
  EXPECT_NE(files(), original);
}

TEST_F(RunFuseInPlace, HoldsTheModelAgainstOthers) {
  std::string second;
  std::string taken_back;
  backend.before = [&] {
    InPlace other{.undo = folder.path() / "other"};
    const FusePlan plan = plan_fuse(settings);
    TurningBackend theirs;
    second = error_of([&] { run_fuse_in_place(plan, other, theirs, {}); }).kind();
    taken_back = error_of([&] { take_back(); }).kind();
    EXPECT_FALSE(fs::exists(other.undo));
  };
  fuse();
  EXPECT_EQ(second, "model-in-use");
  EXPECT_EQ(taken_back, "model-in-use");
}

TEST_F(RunFuseInPlace, ChangesTheMatricesAndNothingElseOfTheShards) {
  const FuseReport report = fuse();
  EXPECT_EQ(report.results.bytes_written, 96U);
  auto expected = original;
  for (const auto& [shard, tensor] :
       {std::pair{test::kShard1, kGate}, std::pair{test::kShard2, kDown}}) {
    const auto [begin, end] = test::tensor_range(original[shard], tensor);
    for (std::size_t i = begin; i < end; ++i) {
      expected[shard][i] = static_cast<char>(~expected[shard][i]);
    }
  }
  auto now = files();
  EXPECT_TRUE(now.contains(kManifestName));
  EXPECT_NE(now["README.md"].find("# Tiny\n"), std::string::npos);
  EXPECT_NE(now["README.md"], original["README.md"]);
  now.erase(kManifestName);
  now["README.md"] = original["README.md"];
  EXPECT_EQ(now, expected);
}

TEST_F(RunFuseInPlace, IsTakenBackBitForBitAsOftenAsOneLikes) {
  fuse();
  for (int i = 0; i < 2; ++i) {
    const UndoReport report = take_back();
    EXPECT_EQ(report.tensors, 2U);
    EXPECT_EQ(report.bytes, 96U);
    EXPECT_EQ(report.restored, std::vector<std::string>{"README.md"});
    EXPECT_EQ(report.removed, std::vector<std::string>{kManifestName});
    EXPECT_EQ(files(), original);
  }
}

TEST_F(RunFuseInPlace, KeepsOnlyTheRowsThatTheDeltaReaches) {
  write_delta({{kGate, "BF16", "[2,3]", bf16_bytes(6, 8)}});
  const FusePlan plan = plan_fuse(settings);
  EXPECT_EQ(in_place_bytes(plan), 2U * 4 * 2);
  run_fuse_in_place(plan, how, backend, {});
  EXPECT_EQ(backend.untouched, 1) << "a shard without a matrix is only read";
  EXPECT_EQ(take_back().bytes, 16U);
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, LeavesAModelCardAloneIfToldSo) {
  settings.model_card = false;
  fuse();
  EXPECT_EQ(files()["README.md"], original["README.md"]);
  const UndoReport report = take_back();
  EXPECT_TRUE(report.restored.empty());
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, RemovesAModelCardThatWasNotThere) {
  fs::remove(base() / "README.md");
  original = files();
  fuse();
  EXPECT_TRUE(files().contains("README.md"));
  EXPECT_EQ(take_back().removed, (std::vector<std::string>{"README.md", kManifestName}));
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, FinishesWhatWasLeftEditedInPart) {
  fuse();
  const auto fused = files();
  // As a killed run leaves it: one matrix edited, a file half written, no manifest.
  auto shard = fused.at(test::kShard1);
  take_back();
  test::write_bytes(base() / test::kShard1, shard);
  test::write_bytes(base() / "README.md.partial-0123456789abcdef", "half");
  fuse();
  EXPECT_EQ(files(), fused);
  take_back();
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, LeavesItToTheUndoFileIfItIsInterrupted) {
  backend.after_a_matrix = [] { throw Error(Failure::kFailed, "interrupted", "interrupted"); };
  const Error error = fuse_error();
  EXPECT_EQ(error.kind(), "interrupted");
  EXPECT_NE(error.hint().find("contourfuse undo"), std::string::npos);
  EXPECT_NE(files(), original);
  take_back();
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, SaysThatItIsUnfinishedUntilItIsNot) {
  const fs::path mark = base() / "contourfuse.unfinished";
  backend.before = [&] {
    EXPECT_NE(read_bytes(mark).find("contourfuse undo " + how.undo.string()), std::string::npos);
  };
  backend.after_a_matrix = [] { throw Error(Failure::kFailed, "interrupted", "interrupted"); };
  EXPECT_EQ(fuse_error().kind(), "interrupted");
  EXPECT_TRUE(fs::exists(mark));
  settings.output = folder.path() / "out";
  EXPECT_EQ(plan_error().kind(), "model-unfinished");
  settings.output.clear();
  // Nor is an earlier fuse taken back below it.
  InPlace later{.undo = folder.path() / "later"};
  backend.after_a_matrix = {};
  backend.before = {};
  fuse();
  EXPECT_FALSE(fs::exists(mark));
  backend.after_a_matrix = [] { throw Error(Failure::kFailed, "interrupted", "interrupted"); };
  EXPECT_EQ(error_of([&] { run_fuse_in_place(plan_fuse(settings), later, backend, {}); }).kind(),
            "interrupted");
  EXPECT_EQ(error_of([&] { take_back(); }).kind(), "fused-again");
  undo({.undo = later.undo}, {});
  take_back();
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, PutsTheModelBackIfTheFuseCannotBeDone) {
  int done = 0;
  backend.after_a_matrix = [&done] {
    if (++done == 2) throw Error(Failure::kBadInput, "non-finite", "a NaN", {}, "keep it");
  };
  const Error error = fuse_error();
  EXPECT_EQ(error.kind(), "non-finite");
  EXPECT_EQ(error.hint(), "keep it; the model was put back as it was");
  EXPECT_EQ(files(), original);
  EXPECT_FALSE(fs::exists(how.undo));
  backend.after_a_matrix = [] { throw std::runtime_error("a defect"); };
  EXPECT_THROW(fuse(), std::runtime_error);
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, TouchesNothingMoreAfterAFailureOfTheStorage) {
  backend.after_a_matrix = [] { throw Error(Failure::kFailed, "io-error", "cannot write"); };
  EXPECT_EQ(fuse_error().kind(), "io-error");
  EXPECT_TRUE(fs::exists(how.undo));
  take_back();
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, RefusesAnUndoFileOfOtherSettings) {
  fuse();
  const auto fused = files();
  settings.parameters.alpha = 0.5;
  const Error error = fuse_error();
  EXPECT_EQ(error.kind(), "undo-differs");
  EXPECT_NE(error.message().find("alpha"), std::string::npos) << error.message();
  EXPECT_EQ(files(), fused);
}

TEST_F(RunFuseInPlace, RefusesAModelThatChangedAfterItWasPlanned) {
  const FusePlan plan = plan_fuse(settings);
  fs::last_write_time(base() / test::kShard2, fs::file_time_type::clock::now());
  EXPECT_EQ(error_of([&] { run_fuse_in_place(plan, how, backend, {}); }).kind(), "base-changed");
  EXPECT_FALSE(fs::exists(how.undo));
}

TEST_F(RunFuseInPlace, RefusesShardsThatOthersUseUnlessForced) {
  const fs::path shard = base() / test::kShard1;
  fs::create_hard_link(shard, folder.path() / "another name");
  EXPECT_EQ(fuse_error().kind(), "shard-hard-linked");
  fs::remove(folder.path() / "another name");
  fs::rename(shard, base() / "moved");
  fs::create_symlink("moved", shard);
  EXPECT_EQ(fuse_error().kind(), "shard-is-a-link");
  EXPECT_FALSE(fs::exists(how.undo));
  how.force = true;
  fuse();
  take_back();
  EXPECT_TRUE(fs::is_symlink(shard));
  EXPECT_EQ(files()[test::kShard1], original[test::kShard1]);
}

TEST_F(RunFuseInPlace, RefusesAnUndoFileWhereItWouldBeTakenForSomethingElse) {
  for (const fs::path& place : {base() / "undo", base() / "extra" / "undo", delta() / "undo"}) {
    how.undo = place;
    EXPECT_EQ(fuse_error().kind(), "undo-in-input") << place;
  }
  how.undo = folder.path() / "absent" / "undo";
  EXPECT_EQ(fuse_error().kind(), "undo-parent-missing");
  how.undo = folder.path() / "undo";
  settings.weights = base();
  EXPECT_EQ(fuse_error().kind(), "delta-in-model");
  EXPECT_EQ(files(), original);
}

TEST_F(RunFuseInPlace, RemovesTheUndoFileThatItCouldNotFinish) {
  Cancellation now;
  now.request();
  EXPECT_EQ(error_of([&] {
              run_fuse_in_place(plan_fuse(settings), how, backend, {.cancellation = &now});
            }).kind(),
            "interrupted");
  EXPECT_EQ(files(), original);
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("undo")) << entry.path();
  }
}

TEST_F(RunFuseInPlace, SaysInItsDocumentWhereItWas) {
  const FusePlan plan = plan_fuse(settings);
  FuseReport report;
  report.dry_run = true;
  const auto document = in_place_document(plan, report, how);
  EXPECT_EQ(document["output"], base().string());
  EXPECT_EQ(document["in_place"], true);
  EXPECT_EQ(document["undo"], how.undo.string());
  EXPECT_EQ(document["bytes"]["written"], 96);
}

}  // namespace
}  // namespace contourfuse
