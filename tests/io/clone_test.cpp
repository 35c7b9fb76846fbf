// Copies that the filesystem makes. Clones themselves need a filesystem that has them: see
// tests/e2e/io_methods_test.py.
#include "contourfuse/io/clone.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "random_pieces.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

TEST(Clone, GivesTheWholeContentOrAnotherMethod) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(100'001, 1);
  File::create(folder / "source").write(0, content);
  const File source = File::open(folder / "source");
  File target = File::create(folder / "target");
  if (clone_or_choose(source, target) == CopyMethod::kCloned) {
    EXPECT_EQ(content_of(folder / "target"), content);
  } else {
    EXPECT_EQ(target.size(), 0U);
  }
}

TEST(CopyRange, CopiesToTheSamePlace) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(100'001, 1);
  File::create(folder / "source").write(0, content);
  const File source = File::open(folder / "source");
  File target = File::create(folder / "target");
  target.resize(content.size());
  if (!copy_range(source, target, 777, 50'000)) GTEST_SKIP() << "the filesystem refuses it";
  std::vector<std::byte> expected(content.size());
  std::copy_n(content.begin() + 777, 50'000, expected.begin() + 777);
  EXPECT_EQ(content_of(folder / "target"), expected);
  EXPECT_TRUE(copy_range(source, target, 0, 0));
  EXPECT_FALSE(copy_range(source, target, 100'000, 2)) << "past the end";
}

}  // namespace
}  // namespace contourfuse
