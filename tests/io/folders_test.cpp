// Folders are made with those above them, listed, and named in errors.
#include "contourfuse/io/folders.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "contourfuse/io/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

TEST(MakeFolders, MakesThoseAbove) {
  const test::TemporaryFolder folder;
  make_folders(folder / "a" / "b" / "c", true);
  EXPECT_TRUE(fs::is_directory(folder / "a" / "b" / "c"));
  make_folders(folder / "a" / "b" / "c", true);
  make_folders(folder / "a" / "d" / "", true);
  EXPECT_TRUE(fs::is_directory(folder / "a" / "d"));
}

TEST(MakeFolders, NamesTheOneThatCannotBe) {
  const test::TemporaryFolder folder;
  write_text(folder / "file", "text", false);
  const Error below = test::error_of([&] { make_folders(folder / "file" / "b" / "c", true); });
  EXPECT_EQ(below.place().file, (folder / "file").string());
  const Error same = test::error_of([&] { make_folders(folder / "file", true); });
  EXPECT_EQ(same.kind(), "file-exists");
  const std::string name(300, 'n');
  EXPECT_EQ(test::error_of([&] { make_folders(folder / name, true); }).place().file,
            (folder / name).string());
}

TEST(ListFolder, HasEveryEntry) {
  const test::TemporaryFolder folder;
  make_folders(folder / "folder", true);
  write_text(folder / ".hidden", "", false);
  auto found = list_folder(folder.path());
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<fs::path>{folder / ".hidden", folder / "folder"}));
  EXPECT_TRUE(list_folder(folder / "folder").empty());
}

TEST(ListFolder, NamesTheOneThatIsNone) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(test::error_of([&] { static_cast<void>(list_folder(folder / "none")); }).kind(),
            "file-missing");
  write_text(folder / "file", "", false);
  const Error error = test::error_of([&] { static_cast<void>(list_folder(folder / "file")); });
  EXPECT_EQ(error.kind(), "file-not-usable");
  EXPECT_EQ(error.place().file, (folder / "file").string());
}

TEST(RemoveTree, TakesAllBelow) {
  const test::TemporaryFolder folder;
  make_folders(folder / "a" / "b", false);
  write_text(folder / "a" / "b" / "file", "text", false);
  remove_tree(folder / "a");
  remove_tree(folder / "a");
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

TEST(RemoveTree, SaysWhatItCannot) {
  const test::TemporaryFolder folder;
  write_text(folder / "file", "text", false);
  const Error error = test::error_of([&] { remove_tree(folder / "file" / "below"); });
  EXPECT_EQ(error.place().file, (folder / "file" / "below").string());
}

}  // namespace
}  // namespace contourfuse
