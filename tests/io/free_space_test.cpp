// Room on a filesystem, and what a quota leaves of it. Full filesystems are tested in
// tests/faults/room_test.py.
#include "contourfuse/io/free_space.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>

#include "io/quota.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

constexpr std::uint64_t kTooMuch = std::numeric_limits<std::uint64_t>::max();

TEST(FreeSpace, IsRequiredOfTheFolderThatWillHoldTheOutput) {
  const test::TemporaryFolder folder;
  EXPECT_TRUE(has_space(folder / "out", 0));
  EXPECT_TRUE(has_space(folder / "out", 4096));
  EXPECT_FALSE(has_space(folder / "out", kTooMuch));
  require_space(folder / "out", {.bytes = 4096});
  const Error error = test::error_of([&] {
    require_space(folder / "out", {.what = "the delta", .bytes = kTooMuch, .hint = "try less"});
  });
  EXPECT_EQ(error.kind(), "io-no-space");
  EXPECT_EQ(error.failure(), Failure::kFailed);
  EXPECT_EQ(error.place().file, folder.path());
  EXPECT_EQ(error.hint(), "try less");
  EXPECT_EQ(error.message().find("the delta takes 18446744073709551615 bytes, and "), 0U)
      << error.message();
}

TEST(FreeSpace, GivesTheFailureThatIsAskedFor) {
  const test::TemporaryFolder folder;
  const Error error = test::error_of(
      [&] { require_space(folder / "out", {.bytes = kTooMuch, .failure = Failure::kBadInput}); });
  EXPECT_EQ(error.failure(), Failure::kBadInput);
}

TEST(FreeSpace, IsThatOfTheNearestFolderThatIsThere) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(has_space(folder / "a/b/c/", kTooMuch));
  EXPECT_FALSE(has_space("out", kTooMuch));
  EXPECT_FALSE(has_space("out/", kTooMuch));
}

TEST(FreeSpace, IsThereWhereAFilesystemKeepsNoCount) {
  if (!std::filesystem::is_directory("/proc/self")) GTEST_SKIP() << "no /proc";
  EXPECT_TRUE(has_space("/proc/self/out", kTooMuch));
}

TEST(FreeSpace, CountsWholeBlocks) {
  EXPECT_EQ(block_bytes(0), 0U);
  EXPECT_EQ(block_bytes(1), 4096U);
  EXPECT_EQ(block_bytes(4096), 4096U);
  EXPECT_EQ(block_bytes(4097), 8192U);
}

struct QuotaCase {
  std::uint64_t hard = 0;
  std::uint64_t soft = 0;
  std::uint64_t used = 0;
  std::uint64_t grace_end = 0;
  std::optional<std::uint64_t> left{};
};

TEST(Quota, LeavesWhatTheLimitThatCountsLeaves) {
  constexpr std::uint64_t kNow = 1000;
  for (const QuotaCase& quota : {
           QuotaCase{.used = 5, .left = std::nullopt},
           QuotaCase{.hard = 10, .used = 4096, .left = 6 * 1024},
           QuotaCase{.hard = 4, .used = 4096, .left = 0},
           QuotaCase{.hard = 4, .used = 5000, .left = 0},
           QuotaCase{.soft = 4, .used = 5000, .left = std::nullopt},
           // Past the soft limit, in the time of grace and after it.
           QuotaCase{.hard = 10, .soft = 4, .used = 5000, .grace_end = 1001, .left = 5240},
           QuotaCase{.hard = 10, .soft = 4, .used = 5000, .grace_end = 1000, .left = 0},
           QuotaCase{.soft = 4, .used = 5000, .grace_end = 999, .left = 0},
           QuotaCase{.hard = kTooMuch, .used = 1, .left = kTooMuch - 1},
       }) {
    dqblk held{};
    held.dqb_bhardlimit = quota.hard;
    held.dqb_bsoftlimit = quota.soft;
    held.dqb_curspace = quota.used;
    held.dqb_btime = quota.grace_end;
    EXPECT_EQ(left_by(held, kNow), quota.left) << quota.hard << ' ' << quota.soft;
  }
}

TEST(Quota, ThatCannotBeReadIsNone) { EXPECT_EQ(quota_left(-1), std::nullopt); }

}  // namespace
}  // namespace contourfuse
