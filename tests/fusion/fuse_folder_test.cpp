// Going on from what an unfinished run left: what is kept, what is done again, what is refused.
#include "fusion/fuse_folder.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/fusion/journal.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "fusion/fusing.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::CopyingBackend;
using test::error_of;
using test::kShard1;
using test::kShard2;
namespace fs = std::filesystem;

/// Every file of a folder.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), folder).string()] = test::read_bytes(entry.path());
    }
  }
  return files;
}

class Resume : public test::Fusing {
 protected:
  Resume() {
    settings.durability = Durability::kNone;
    write_whole_delta();
    settings.output = folder.path() / "undisturbed";
    run_fuse(plan_fuse(settings), backend, {});
    undisturbed = contents(settings.output);
    settings.output = folder.path() / "out";
  }
  [[nodiscard]] std::vector<fs::path> partials() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      if (entry.path().filename().string().starts_with("out.partial-")) {
        found.push_back(entry.path());
      }
    }
    return found;
  }
  Error fuse_error() {
    return error_of([&] { run_fuse(plan_fuse(settings), backend, {}); });
  }
  /// A run that fails after its first shard, as from a full disk.
  Error fail_after_one() {
    backend.after_shard = [] { throw Error(Failure::kFailed, "io-no-space", "the disk is full"); };
    Error error = fuse_error();
    backend.after_shard = {};
    return error;
  }
  void expect_undisturbed() const {
    EXPECT_EQ(contents(settings.output), undisturbed);
    EXPECT_TRUE(partials().empty());
  }

  CopyingBackend backend{};
  std::map<std::string, std::string> undisturbed{};
};

TEST_F(Resume, AFailedRunLeavesWhatIsDoneAndSaysSo) {
  const Error error = fail_after_one();
  EXPECT_EQ(error.kind(), "io-no-space");
  EXPECT_NE(error.hint().find("1 of 2 shards are done"), std::string::npos) << error.hint();
  EXPECT_NE(error.hint().find("--resume"), std::string::npos);
  ASSERT_EQ(partials().size(), 1U);
  EXPECT_EQ(test::read_bytes(partials()[0] / kShard1), undisturbed[kShard1]);
  EXPECT_FALSE(fs::exists(settings.output));
}

TEST_F(Resume, ARunWithoutMemoryLeavesWhatIsDone) {
  backend.after_shard = [] { throw std::bad_alloc(); };
  EXPECT_THROW(run_fuse(plan_fuse(settings), backend, {}), std::bad_alloc);
  backend.after_shard = {};
  ASSERT_EQ(partials().size(), 1U);
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 1U);
  expect_undisturbed();
}

TEST_F(Resume, DoesOnlyTheRest) {
  fail_after_one();
  settings.resume = true;
  const FuseReport report = run_fuse(plan_fuse(settings), backend, {});
  EXPECT_EQ(report.kept_shards, 1U);
  EXPECT_EQ(backend.shards, std::vector<std::string>{kShard2});
  ASSERT_EQ(backend.matrices.size(), 1U);
  EXPECT_EQ(backend.matrices[0].name, test::kDown);
  EXPECT_EQ(backend.matrices[0].shard, 0U);
  ASSERT_EQ(report.results.matrices.size(), 2U);
  EXPECT_EQ(report.results.matrices[0].weight_hash, hash_text(test::kGate));
  EXPECT_EQ(report.results.matrices[1].weight_hash, hash_text(test::kDown));
  expect_undisturbed();
}

TEST_F(Resume, PublishesAtOnceWhereEverythingIsDone) {
  backend.on_run = [] { throw Error(Failure::kFailed, "io-error", "the disk is gone"); };
  EXPECT_NE(fuse_error().hint().find("2 of 2"), std::string::npos);
  backend.on_run = {};
  settings.resume = true;
  run_fuse(plan_fuse(settings), backend, {});
  EXPECT_TRUE(backend.shards.empty());
  expect_undisturbed();
}

TEST_F(Resume, WithNothingLeftIsAPlainRun) {
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 0U);
  EXPECT_EQ(backend.shards.size(), 2U);
  expect_undisturbed();
}

TEST_F(Resume, WithoutTheFlagLeavesWhatIsThere) {
  fail_after_one();
  run_fuse(plan_fuse(settings), backend, {});
  EXPECT_EQ(backend.shards.size(), 2U);
  EXPECT_EQ(contents(settings.output), undisturbed);
  EXPECT_EQ(partials().size(), 1U);
}

TEST_F(Resume, DoesAShardAgainThatIsNotAsTheJournalSays) {
  fail_after_one();
  std::string damaged = undisturbed[kShard1];
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  test::write_bytes(partials()[0] / kShard1, damaged);
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 0U);
  expect_undisturbed();
}

TEST_F(Resume, RemovesWhatElseStandsInTheFolder) {
  fail_after_one();
  const fs::path partial = partials()[0];
  test::write_bytes(partial / kShard2, "half a shard");
  test::write_bytes(partial / kManifestName, "{}");
  test::write_bytes(partial / "nested" / "file", "");
  fs::create_symlink(base(), partial / "link");
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 1U);
  expect_undisturbed();
  EXPECT_TRUE(fs::exists(base() / kShard1));
}

TEST_F(Resume, DoesNotFollowALinkInPlaceOfAShard) {
  fail_after_one();
  const fs::path elsewhere = folder.path() / "elsewhere";
  fs::rename(partials()[0] / kShard1, elsewhere);
  fs::create_symlink(elsewhere, partials()[0] / kShard1);
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 0U);
  EXPECT_TRUE(fs::exists(elsewhere));
  expect_undisturbed();
}

TEST_F(Resume, RemovesAFolderWithoutAJournal) {
  fs::create_directory(folder.path() / "out.partial-0123456789abcdef");
  test::write_bytes(folder.path() / "out.partial-0123456789abcdee" / kJournalName, "torn");
  settings.resume = true;
  run_fuse(plan_fuse(settings), backend, {});
  expect_undisturbed();
}

TEST_F(Resume, LeavesFoldersOfOtherNamesAlone) {
  const std::vector<std::string> others = {"out.partial-0123456789abcdef-old", "out.partial-0",
                                           "out.partial-0123456789ABCDEF",
                                           "other.partial-0123456789abcdef"};
  for (const std::string& name : others) test::write_bytes(folder.path() / name / "f", "mine");
  settings.resume = true;
  run_fuse(plan_fuse(settings), backend, {});
  for (const std::string& name : others) {
    EXPECT_EQ(test::read_bytes(folder.path() / name / "f"), "mine");
  }
}

TEST_F(Resume, GoesOnWithTheFurthestOfSeveral) {
  fail_after_one();
  backend.on_run = [] { throw Error(Failure::kFailed, "io-error", "the disk is gone"); };
  fuse_error();
  backend.on_run = {};
  fail_after_one();
  ASSERT_EQ(partials().size(), 3U);
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 2U);
  expect_undisturbed();
}

TEST_F(Resume, RefusesOtherParametersAndSaysWhich) {
  fail_after_one();
  settings.resume = true;
  settings.parameters.alpha = 0.5;
  settings.parameters.rounding = Rounding::kStochastic;
  const Error error = fuse_error();
  EXPECT_EQ(error.kind(), "resume-differs");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
  EXPECT_NE(error.message().find("alpha 0.02"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("rounding \"nearest\""), std::string::npos) << error.message();
  EXPECT_EQ(error.message().find("gamma"), std::string::npos) << error.message();
  EXPECT_EQ(partials().size(), 1U);
}

TEST_F(Resume, RefusesABaseOrDeltaThatChanged) {
  fail_after_one();
  settings.resume = true;
  for (const fs::path& input : {base() / kShard2, delta() / "delta.safetensors"}) {
    const auto before = fs::last_write_time(input);
    fs::last_write_time(input, before + std::chrono::seconds(1));
    const Error error = fuse_error();
    EXPECT_EQ(error.kind(), "resume-differs") << input;
    EXPECT_NE(error.message().find("has changed"), std::string::npos) << error.message();
    fs::last_write_time(input, before);
  }
  run_fuse(plan_fuse(settings), backend, {});
  expect_undisturbed();
}

TEST_F(Resume, IsToldOfARunThatHasNotEnded) {
  settings.resume = true;
  std::optional<Error> second;
  backend.on_run = [&] {
    if (!second) second = error_of([&] { run_fuse(plan_fuse(settings), backend, {}); });
  };
  run_fuse(plan_fuse(settings), backend, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->kind(), "output-in-progress");
  expect_undisturbed();
}

TEST_F(Resume, ABadInputLeavesNothing) {
  backend.on_run = [] { throw Error(Failure::kBadInput, "non-finite", "a NaN"); };
  EXPECT_EQ(fuse_error().hint(), "");
  EXPECT_TRUE(partials().empty());
}

TEST_F(Resume, ABaseThatChangedMeanwhileLeavesNothing) {
  const FusePlan plan = plan_fuse(settings);
  backend.on_run = [&] { fs::resize_file(base() / kShard2, 1); };
  EXPECT_EQ(error_of([&] { run_fuse(plan, backend, {}); }).kind(), "base-changed");
  EXPECT_TRUE(partials().empty());
}

TEST_F(Resume, OverwritesAfterGoingOn) {
  test::write_bytes(settings.output / "old", "");
  settings.overwrite = true;
  fail_after_one();
  EXPECT_TRUE(fs::exists(settings.output / "old"));
  settings.resume = true;
  EXPECT_EQ(run_fuse(plan_fuse(settings), backend, {}).kept_shards, 1U);
  expect_undisturbed();
}

}  // namespace
}  // namespace contourfuse
