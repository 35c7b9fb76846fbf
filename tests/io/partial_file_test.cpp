// Files that have their name only once they are whole, and what killed runs leave of them.
#include "contourfuse/io/partial_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

void write(File& file, std::string_view text) { file.write(0, std::as_bytes(std::span(text))); }

TEST(PartialFile, HasItsNameOnlyOnceItIsWhole) {
  const test::TemporaryFolder folder;
  PartialFile partial(folder / "f");
  write(partial.file(), "all of it");
  EXPECT_FALSE(fs::exists(folder / "f"));
  EXPECT_EQ(names_in(folder.path()).size(), 1U);
  partial.publish();
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"f"});
  EXPECT_EQ(read_text(folder / "f", 100), "all of it");
}

TEST(PartialFile, GoesIfItIsNotPublished) {
  const test::TemporaryFolder folder;
  { PartialFile partial(folder / "f"); }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(PartialFile, ReplacesNothing) {
  const test::TemporaryFolder folder;
  {
    PartialFile late(folder / "f");
    File early = File::create(folder / "f");
    write(early, "early");
    EXPECT_EQ(test::error_of([&] { late.publish(); }).kind(), "file-exists");
    EXPECT_EQ(test::error_of([&] { PartialFile(folder / "f"); }).kind(), "file-exists");
  }
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"f"});
  EXPECT_EQ(read_text(folder / "f", 100), "early");
}

TEST(PartialFile, RemovesWhatKilledRunsLeftAndNothingElse) {
  const test::TemporaryFolder folder;
  const std::string stray = "f.partial-0123456789abcdef";
  const std::set<std::string> others{"f.partial-0123456789abcde", "f.partial-0123456789abcdeg",
                                     "g.partial-0123456789abcdef", "f.partial-", "xf"};
  for (const std::string& name : others) File::create(folder / name);
  File::create(folder / stray);
  std::optional<PartialFile> held(std::in_place, folder / "f");
  auto expected = others;
  EXPECT_FALSE(names_in(folder.path()).contains(stray));
  remove_stray_partials(folder / "f");
  EXPECT_EQ(names_in(folder.path()).size(), others.size() + 1) << "one that is held stays";
  held.reset();
  EXPECT_EQ(names_in(folder.path()), expected);
}

}  // namespace
}  // namespace contourfuse
