// Whole transfers, and what is refused or reported with file and bytes.
#include "contourfuse/io/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/without_root.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string read_at(const File& file, std::uint64_t offset, std::size_t bytes) {
  std::string text(bytes, '?');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

Error refused_open(const fs::path& path) {
  return test::error_of([&path] { static_cast<void>(File::open(path)); });
}

TEST(File, ReadsBackWhatWasWrittenAtAnyOffset) {
  const test::TemporaryFolder folder;
  File file = File::create(folder / "f");
  file.write(5, bytes_of("world"));
  file.write(0, bytes_of("hello"));
  file.write(3, {});
  file.sync();
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(read_at(file, 0, 10), "helloworld");
  EXPECT_EQ(read_at(File::open(folder / "f"), 4, 3), "owo");
  EXPECT_EQ(read_at(file, 10, 0), "");
}

TEST(File, EarlyEndIsAnErrorWithTheMissingBytes) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "0123456789", false);
  const File file = File::open(folder / "f");
  const Error error = test::error_of([&file] { read_at(file, 4, 20); });
  EXPECT_EQ(error.kind(), "io-short-read");
  EXPECT_EQ(error.failure(), Failure::kFailed);
  EXPECT_EQ(error.place().file, (folder / "f").string());
  ASSERT_TRUE(error.place().bytes);
  EXPECT_EQ(error.place().bytes->begin, 10U);
  EXPECT_EQ(error.place().bytes->end, 24U);
  const Error far =
      test::error_of([&file] { read_at(file, std::numeric_limits<std::uint64_t>::max() - 1, 8); });
  EXPECT_EQ(far.kind(), "io-short-read");
}

TEST(File, RefusesWhatIsNoRegularFileWithoutWaiting) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  fs::create_directory(folder / "folder");
  fs::create_symlink(folder / "folder", folder / "link");
  for (const fs::path& path :
       {folder / "fifo", folder / "folder", folder / "link", fs::path("/dev/null")}) {
    SCOPED_TRACE(path);
    const Error error = refused_open(path);
    EXPECT_EQ(error.kind(), "file-not-regular");
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().file, path.string());
  }
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(listener, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (folder / "socket").string();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(refused_open(path).failure(), Failure::kBadInput);
  ::close(listener);
}

TEST(File, RefusesAbsentFiles) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "x", false);
  fs::create_symlink(folder / "nothing", folder / "dangling");
  EXPECT_EQ(refused_open(folder / "absent").kind(), "file-missing");
  EXPECT_EQ(refused_open(folder / "dangling").kind(), "file-missing");
  EXPECT_EQ(refused_open(folder / "f" / "below").kind(), "file-not-usable");
  EXPECT_EQ(refused_open("").kind(), "file-missing");
  EXPECT_EQ(refused_open(folder / std::string("f\0x", 3)).kind(), "file-missing");
  EXPECT_EQ(refused_open(folder / "absent").failure(), Failure::kBadInput);
}

TEST(File, RefusesForbiddenFiles) {
  const test::TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms{0755});
  write_text(folder / "f", "x", false);
  fs::permissions(folder / "f", fs::perms::none);
  const test::WithoutRoot nobody;
  if (!nobody.holds()) GTEST_SKIP() << "root may read everything, and cannot be another user here";
  EXPECT_EQ(refused_open(folder / "f").kind(), "file-not-permitted");
}

TEST(File, FollowsALinkToAFile) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "content", false);
  fs::create_symlink("f", folder / "link");
  EXPECT_EQ(read_text(folder / "link", 100), "content");
}

TEST(File, CreateRefusesWhatExists) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "kept", false);
  fs::create_symlink(folder / "elsewhere", folder / "link");
  for (const char* const name : {"f", "link"}) {
    const Error error = test::error_of([&] { static_cast<void>(File::create(folder / name)); });
    EXPECT_EQ(error.kind(), "file-exists");
  }
  EXPECT_EQ(read_text(folder / "f", 100), "kept");
  EXPECT_FALSE(fs::exists(folder / "elsewhere"));
}

TEST(File, AFullDiskIsNamedWithItsBytes) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  const test::TemporaryFolder folder;
  // A file of this process whose descriptor leads to the device that is always full.
  File file = File::create(folder / "f");
  const int full = ::open("/dev/full", O_RDWR | O_CLOEXEC);
  ASSERT_GE(full, 0);
  ASSERT_EQ(::dup2(full, file.descriptor()), file.descriptor());
  ::close(full);
  const Error error = test::error_of([&file] { file.write(100, bytes_of("abc")); });
  EXPECT_EQ(error.kind(), "io-no-space");
  EXPECT_EQ(error.failure(), Failure::kFailed);
  EXPECT_EQ(error.place().file, (folder / "f").string());
  ASSERT_TRUE(error.place().bytes);
  EXPECT_EQ(error.place().bytes->begin, 100U);
  EXPECT_EQ(error.place().bytes->end, 103U);
  EXPECT_FALSE(error.hint().empty());
}

TEST(File, ShortWritesAreContinuedUntilTheLimitThatIsThenNamed) {
  const test::TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  File file = File::create(folder / "f");
  const std::vector<std::byte> bytes(1500);
  const Error error = test::error_of([&] { file.write(0, bytes); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(error.kind(), "io-too-large");
  ASSERT_TRUE(error.place().bytes);
  EXPECT_EQ(error.place().bytes->begin, 1000U);
  EXPECT_EQ(error.place().bytes->end, 1500U);
  EXPECT_EQ(file.size(), 1000U);
}

TEST(File, AllocateGivesTheSizeAndNeverShortens) {
  const test::TemporaryFolder folder;
  File file = File::create(folder / "f");
  file.allocate(0);
  EXPECT_EQ(file.size(), 0U);
  file.allocate(100'000);
  EXPECT_EQ(file.size(), 100'000U);
  file.allocate(10);
  EXPECT_EQ(file.size(), 100'000U);
  const Error error =
      test::error_of([&file] { file.allocate(std::numeric_limits<std::uint64_t>::max()); });
  EXPECT_EQ(error.kind(), "io-too-large");
  file.start_writeback(0, 100'000);
  file.start_writeback(std::numeric_limits<std::uint64_t>::max(), 1);
}

TEST(File, IdentityChangesWithTheContent) {
  const test::TemporaryFolder folder;
  File file = File::create(folder / "f");
  const FileIdentity before = file.identity();
  EXPECT_EQ(before, File::open(folder / "f").identity());
  file.write(0, bytes_of("x"));
  EXPECT_NE(before, file.identity());
  EXPECT_EQ(file.identity().bytes, 1U);
  const File other = File::create(folder / "g");
  EXPECT_NE(other.identity().inode, file.identity().inode);
}

TEST(File, MovesItsDescriptor) {
  const test::TemporaryFolder folder;
  File first = File::create(folder / "f");
  const int descriptor = first.descriptor();
  File second(std::move(first));
  EXPECT_EQ(second.descriptor(), descriptor);
  {
    File third;
    third = std::move(second);
    EXPECT_EQ(third.descriptor(), descriptor);
    EXPECT_EQ(third.path(), folder / "f");
    EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1) << "the last owner closes it";
}

TEST(Text, IsReplacedWholeAndLeavesNothingElse) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "first, and longer", true);
  write_text(folder / "f", "second", true);
  EXPECT_EQ(read_text(folder / "f", 6), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  fs::create_directory(folder / "d");
  EXPECT_EQ(test::error_of([&folder] { write_text(folder / "d", "x", false); }).kind(),
            "file-not-usable");
  EXPECT_EQ(test::error_of([&folder] { write_text(folder / "no" / "f", "x", false); }).kind(),
            "file-missing");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
}

TEST(Text, LongerThanAllowedIsRefused) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "1234567", false);
  const Error error = test::error_of([&folder] { static_cast<void>(read_text(folder / "f", 6)); });
  EXPECT_EQ(error.kind(), "file-too-large");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
}

TEST(File, OpenedToChangeKeepsWhatIsNotWritten) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "one two", false);
  File::open_to_change(folder / "f").write(4, bytes_of("TWO"));
  EXPECT_EQ(read_text(folder / "f", 100), "one TWO");
  EXPECT_EQ(test::error_of([&] { File::open_to_change(folder / "g"); }).kind(), "file-missing");
  EXPECT_EQ(test::error_of([&] { File::open_to_change(folder.path()); }).failure(),
            Failure::kBadInput);
}

TEST(File, IsHeldByOneUntilThatOneGoes) {
  const test::TemporaryFolder folder;
  write_text(folder / "f", "", false);
  const File second = File::open(folder / "f");
  {
    const File first = File::open_to_change(folder / "f");
    EXPECT_TRUE(first.try_lock());
    EXPECT_TRUE(first.try_lock());
    EXPECT_FALSE(second.try_lock());
  }
  EXPECT_TRUE(second.try_lock());
}

TEST(SyncFolder, NamesAFolderThatIsMissing) {
  const test::TemporaryFolder folder;
  EXPECT_NO_THROW(sync_folder(folder.path()));
  EXPECT_EQ(test::error_of([&folder] { sync_folder(folder / "absent"); }).place().file,
            (folder / "absent").string());
}

}  // namespace
}  // namespace contourfuse
