// Output folders appear whole or not at all, and never where an input lies.
#include "contourfuse/io/publish.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/without_root.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> sorted_names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void fill(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder / "nested" / "deeper");
  write_text(folder / "f", text, true);
  write_text(folder / "nested" / "deeper" / "g", text, true);
}

Error refused(const fs::path& target, bool overwrite) {
  return test::error_of([&] { const PartialFolder partial(target, overwrite, Durability::kNone); });
}

class Publish : public testing::TestWithParam<Durability> {
 protected:
  test::TemporaryFolder folder_{};
};

TEST_P(Publish, NothingIsThereUntilEverythingIs) {
  const fs::path target = folder_ / "out";
  PartialFolder partial(target, false, GetParam());
  EXPECT_EQ(partial.path().parent_path(), folder_.path());
  EXPECT_TRUE(partial.path().filename().string().starts_with("out.partial-"));
  fill(partial.path(), "new");
  partial.sync_folders();
  EXPECT_FALSE(fs::exists(target));
  partial.publish();
  EXPECT_EQ(read_text(target / "nested" / "deeper" / "g", 100), "new");
  EXPECT_EQ(sorted_names_in(folder_.path()), std::vector<std::string>{"out"});
}

TEST_P(Publish, WithoutPublishNothingIsLeft) {
  {
    const PartialFolder partial(folder_ / "out", false, GetParam());
    fill(partial.path(), "new");
  }
  EXPECT_TRUE(sorted_names_in(folder_.path()).empty());
}

TEST_P(Publish, OverwriteKeepsTheOldOneUntilTheNewOneStands) {
  const fs::path target = folder_ / "out";
  fill(target, "old");
  write_text(target / "only-in-old", "", false);
  PartialFolder partial(target, true, GetParam());
  fill(partial.path(), "new");
  EXPECT_EQ(read_text(target / "f", 100), "old");
  partial.publish();
  EXPECT_EQ(read_text(target / "f", 100), "new");
  EXPECT_FALSE(fs::exists(target / "only-in-old"));
  EXPECT_EQ(sorted_names_in(folder_.path()), std::vector<std::string>{"out"});
}

TEST_P(Publish, OverwriteOfNothingIsAPlainRun) {
  PartialFolder partial(folder_ / "out", true, GetParam());
  fill(partial.path(), "new");
  partial.publish();
  EXPECT_EQ(sorted_names_in(folder_.path()), std::vector<std::string>{"out"});
}

TEST_P(Publish, OfTwoRunsToOneOutputOneWinsAndTheOtherIsTold) {
  const fs::path target = folder_ / "out";
  {
    PartialFolder first(target, false, GetParam());
    PartialFolder second(target, false, GetParam());
    EXPECT_NE(first.path(), second.path());
    fill(first.path(), "first");
    fill(second.path(), "second");
    second.publish();
    const Error error = test::error_of([&first] { first.publish(); });
    EXPECT_EQ(error.kind(), "output-exists");
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().file, target.string());
  }
  EXPECT_EQ(read_text(target / "f", 100), "second");
  EXPECT_EQ(sorted_names_in(folder_.path()), std::vector<std::string>{"out"});
}

TEST_P(Publish, AnEmptyFolderThatAppearsMeanwhileIsNotReplaced) {
  PartialFolder partial(folder_ / "out", false, GetParam());
  fill(partial.path(), "new");
  fs::create_directory(folder_ / "out");
  EXPECT_EQ(test::error_of([&partial] { partial.publish(); }).kind(), "output-exists");
  EXPECT_TRUE(sorted_names_in(folder_ / "out").empty());
}

TEST_P(Publish, AFolderThatARunHoldsIsNotAdopted) {
  const PartialFolder held(folder_ / "out", false, GetParam());
  const Error error = test::error_of(
      [&] { static_cast<void>(PartialFolder::adopt(folder_ / "out", false, GetParam())); });
  EXPECT_EQ(error.kind(), "output-in-progress");
  EXPECT_EQ(error.failure(), Failure::kFailed);
  EXPECT_EQ(error.place().file, held.path());
  EXPECT_TRUE(PartialFolder::adopt(folder_ / "other", false, GetParam()).empty());
  EXPECT_TRUE(fs::exists(held.path()));
}

TEST_P(Publish, AFolderThatAnEndedRunLeftIsAdoptedAndHeld) {
  {
    PartialFolder left(folder_ / "out", false, GetParam());
    fill(left.path(), "left");
    left.keep(true);
  }
  EXPECT_GT(bytes_in_partials(folder_ / "out"), 0U);
  EXPECT_EQ(bytes_in_partials(folder_ / "other"), 0U);
  {
    const auto adopted = PartialFolder::adopt(folder_ / "out", false, GetParam());
    ASSERT_EQ(adopted.size(), 1U);
    EXPECT_EQ(read_text(adopted[0].path() / "f", 100), "left");
    EXPECT_EQ(test::error_of([&] {
                static_cast<void>(PartialFolder::adopt(folder_ / "out", false, GetParam()));
              }).kind(),
              "output-in-progress");
  }
  auto adopted = PartialFolder::adopt(folder_ / "out", false, GetParam());
  ASSERT_EQ(adopted.size(), 1U) << "it stays until it is said to go";
  adopted[0].keep(false);
  adopted.clear();
  EXPECT_TRUE(sorted_names_in(folder_.path()).empty());
}

TEST_P(Publish, NothingElseIsAdopted) {
  const std::string id(16, 'a');
  write_text(folder_ / ("out.partial-" + id), "a file", false);
  fs::create_directory(folder_ / "out.partial-short");
  fs::create_directory(folder_ / ("outer.partial-" + id));
  fs::create_directory(folder_ / ("out.partial-" + std::string(16, 'x')));
  fs::create_directory_symlink(folder_ / ("outer.partial-" + id),
                               folder_ / ("out.partial-" + std::string(16, 'b')));
  EXPECT_TRUE(PartialFolder::adopt(folder_ / "out", false, GetParam()).empty());
  EXPECT_EQ(bytes_in_partials(folder_ / "out"), 0U);
}

TEST_P(Publish, OfManyThreadsExactlyOneWins) {
  for (int round = 0; round < 10; ++round) {
    const fs::path target = folder_ / ("out" + std::to_string(round));
    std::atomic<int> ready{0};
    std::atomic<int> won{0};
    std::atomic<int> told{0};
    std::vector<std::thread> runs;
    for (int run = 0; run < 4; ++run) {
      runs.emplace_back([&] {
        PartialFolder partial(target, false, GetParam());
        fill(partial.path(), "x");
        ++ready;
        while (ready < 4) std::this_thread::yield();
        try {
          partial.publish();
          ++won;
        } catch (const Error& error) {
          if (error.kind() == "output-exists") ++told;
        }
      });
    }
    for (std::thread& run : runs) run.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(told, 3);
  }
  EXPECT_EQ(sorted_names_in(folder_.path()).size(), 10U);
}

INSTANTIATE_TEST_SUITE_P(Both, Publish, testing::Values(Durability::kFull, Durability::kNone));

TEST(PublishTarget, ExistingOnesAreRefusedAndUntouched) {
  const test::TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  write_text(folder / "file", "x", false);
  fs::create_symlink(folder / "nowhere", folder / "dangling");
  fs::create_symlink(folder / "empty", folder / "link");
  const std::vector<std::string> before = sorted_names_in(folder.path());
  for (const char* const name : {"empty", "file", "dangling", "link"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(refused(folder / name, false).kind(), "output-exists");
    EXPECT_FALSE(refused(folder / name, false).hint().empty());
  }
  for (const char* const name : {"file", "dangling", "link"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(refused(folder / name, true).kind(), "output-not-a-folder");
  }
  EXPECT_EQ(sorted_names_in(folder.path()), before);
}

TEST(PublishTarget, TheParentMustExist) {
  const test::TemporaryFolder folder;
  write_text(folder / "file", "x", false);
  const Error error = refused(folder / "no" / "out", false);
  EXPECT_EQ(error.kind(), "output-parent-missing");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
  EXPECT_EQ(error.place().file, (folder / "no").string());
  EXPECT_EQ(refused(folder / "file" / "out", false).kind(), "output-parent-missing");
  EXPECT_FALSE(fs::exists(folder / "no"));
}

TEST(PublishTarget, TheParentMustBeWritable) {
  const test::TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms{0755});
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms{0555});
  const test::WithoutRoot nobody;
  if (!nobody.holds()) GTEST_SKIP() << "root may write everywhere, and cannot be another user here";
  EXPECT_EQ(refused(folder / "closed" / "out", false).kind(), "output-not-writable");
}

TEST(PublishTarget, ATrailingSlashAndARelativeNameAreTheSame) {
  const test::TemporaryFolder folder;
  const fs::path target = (folder / "out") / "";
  PartialFolder partial(target, false, Durability::kNone);
  EXPECT_EQ(partial.path().parent_path(), folder.path());
  partial.publish();
  EXPECT_EQ(sorted_names_in(folder.path()), std::vector<std::string>{"out"});
  EXPECT_EQ(refused(fs::relative(folder / "out"), false).kind(), "output-exists");
  EXPECT_EQ(refused(folder / "out" / ".", false).kind(), "output-exists");
  EXPECT_EQ(refused("", false).kind(), "output-not-usable");
  EXPECT_EQ(refused("/", true).kind(), "output-not-usable");
}

TEST(PublishTarget, IsCheckedWithoutBeingMade) {
  const test::TemporaryFolder folder;
  refuse_unusable_output(folder / "out", false);
  EXPECT_TRUE(sorted_names_in(folder.path()).empty());
  fs::create_directory(folder / "out");
  refuse_unusable_output(folder / "out", true);
  EXPECT_EQ(test::error_of([&folder] { refuse_unusable_output(folder / "out", false); }).kind(),
            "output-exists");
}

TEST(PublishFile, IsThereWholeOnceAndNotReplaced) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "part.json";
  EXPECT_EQ(publish_new_files(folder.path(), {{path, "first"}}), std::vector<bool>{true});
  const std::vector<bool> both =
      publish_new_files(folder.path(), {{path, "second"}, {folder / "other.json", "new"}});
  EXPECT_EQ(both, (std::vector<bool>{false, true}));
  EXPECT_EQ(read_text(path, 100), "first");
  EXPECT_EQ(read_text(folder / "other.json", 100), "new");
  EXPECT_EQ(sorted_names_in(folder.path()), (std::vector<std::string>{"other.json", "part.json"}));
}

TEST(PublishFile, OfManyThreadsExactlyOneWins) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "part.json";
  std::atomic<int> published = 0;
  std::string winner(1, '?');
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const std::string text(1, static_cast<char>('a' + i));
        if (!publish_new_files(folder.path(), {{path, text}}).front()) return;
        ++published;
        winner = text;
      });
    }
  }
  EXPECT_EQ(published, 1);
  EXPECT_EQ(read_text(path, 100), winner);
  EXPECT_EQ(sorted_names_in(folder.path()).size(), 1U);
}

TEST(PublishFile, NeedsItsFolder) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(test::error_of([&] {
              static_cast<void>(
                  publish_new_files(folder / "none", {{folder / "none" / "part.json", "text"}}));
            }).failure(),
            Failure::kBadInput);
}

TEST(PublishOverlap, IsRefusedWhicheverLiesInTheOther) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "a" / "model" / "sub");
  fs::create_directories(folder / "other");
  fs::create_directory_symlink(folder / "a" / "model", folder / "link");
  write_text(folder / "a" / "delta.json", "{}", false);
  const fs::path model = folder / "a" / "model";
  const auto kind = [](const fs::path& output, const fs::path& input) {
    return test::error_of([&] { refuse_overlap(output, input); }).kind();
  };
  for (const fs::path& output :
       {model, model / "", model / "out", model / "sub", model / "sub" / "new" / "deep",
        folder / "link", folder / "link" / "out", folder / "a", folder.path(), fs::path("/"),
        folder / "other" / ".." / "a" / "model" / "out", fs::relative(model)}) {
    SCOPED_TRACE(output);
    EXPECT_EQ(kind(output, model), "output-overlaps-input");
    EXPECT_EQ(kind(output, folder / "link" / ""), "output-overlaps-input");
  }
  EXPECT_EQ(kind(folder / "a", folder / "a" / "delta.json"), "output-overlaps-input");
}

TEST(PublishOverlap, NeighboursAreFine) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "model");
  write_text(folder / "delta.json", "{}", false);
  EXPECT_NO_THROW(refuse_overlap(folder / "model-fused", folder / "model"));
  EXPECT_NO_THROW(refuse_overlap(folder / "mode", folder / "model"));
  EXPECT_NO_THROW(refuse_overlap(folder / "new" / "model", folder / "model"));
  EXPECT_NO_THROW(refuse_overlap(folder / "out", folder / "delta.json"));
  EXPECT_NO_THROW(refuse_overlap(folder / "out", folder / "absent"));
}

}  // namespace
}  // namespace contourfuse
