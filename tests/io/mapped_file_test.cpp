// Mappings outlive the files under them.
#include "contourfuse/io/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "random_pieces.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kBytes = 16 * kPage;

class Mapping : public testing::Test {
 protected:
  Mapping() { File::create(path).write(0, content); }

  /// Whether that range is copied, and right.
  [[nodiscard]] testing::AssertionResult gives(const MappedFile& mapped, std::size_t begin,
                                               std::size_t count) const {
    std::vector<std::byte> out(count);
    if (!mapped.copy(begin, out)) return testing::AssertionFailure() << "not copied";
    const auto expected = std::span(content).subspan(begin, count);
    if (std::ranges::equal(out, expected)) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "other bytes";
  }

  const test::TemporaryFolder folder{};
  const std::filesystem::path path = folder / "f";
  const std::vector<std::byte> content = random_bytes(kBytes, 5);
};

TEST_F(Mapping, GivesAnyPartOfTheHeadOfAFile) {
  const File file = File::open(path);
  MappedFile mapped(file, kBytes - 100);
  const MappedFile moved(std::move(mapped));
  EXPECT_EQ(moved.size(), kBytes - 100);
  EXPECT_TRUE(gives(moved, 0, kBytes - 100));
  EXPECT_TRUE(gives(moved, kPage - 3, 7));
  EXPECT_TRUE(gives(moved, kBytes - 100, 0));
  EXPECT_FALSE(gives(moved, kBytes - 101, 2));
  EXPECT_FALSE(gives(moved, kBytes, 0));
  EXPECT_EQ(MappedFile(file, 0).size(), 0U);
  EXPECT_EQ(test::error_of([&file] { const MappedFile past(file, kBytes + 1); }).kind(),
            "io-short-read");
}

TEST_F(Mapping, SaysThatPagesAreGone) {
  const File file = File::open(path);
  const MappedFile mapped(file, kBytes);
  ASSERT_TRUE(gives(mapped, 0, kBytes));
  std::filesystem::resize_file(path, 5 * kPage + 10);
  for (int again = 0; again < 3; ++again) {
    EXPECT_TRUE(gives(mapped, 0, 5 * kPage + 10));
    EXPECT_FALSE(gives(mapped, 0, kBytes));
    EXPECT_FALSE(gives(mapped, 6 * kPage, 1));
    EXPECT_FALSE(gives(mapped, kBytes - 1, 1));
  }
  // The page that the file ends in is there to its end.
  std::vector<std::byte> tail(10);
  EXPECT_TRUE(mapped.copy(5 * kPage + 10, tail));
}

TEST_F(Mapping, GivesThePagesAgainWhenTheyAreBack) {
  const File file = File::open(path);
  const MappedFile mapped(file, kBytes);
  std::filesystem::resize_file(path, 0);
  EXPECT_FALSE(gives(mapped, 0, kBytes));
  std::filesystem::resize_file(path, kBytes);
  std::vector<std::byte> out(kBytes);
  EXPECT_TRUE(mapped.copy(0, out));
  EXPECT_EQ(out, std::vector<std::byte>(kBytes));
}

TEST_F(Mapping, ThreadsCopyWhileTheFileShrinksAndGrows) {
  const File file = File::open(path);
  const MappedFile mapped(file, kBytes);
  std::atomic<bool> stop = false;
  std::atomic<int> gone = 0;
  std::atomic<int> other_bytes = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::vector<std::byte> out(kBytes);
      do {
        if (!mapped.copy(0, out)) {
          ++gone;
        } else if (!std::equal(out.begin(), out.begin() + kPage, content.begin())) {
          ++other_bytes;  // of the page that is always there
        }
      } while (!stop);
    });
  }
  for (int i = 0; i < 300 || gone == 0; ++i) {
    std::filesystem::resize_file(path, kPage);
    std::filesystem::resize_file(path, kBytes);
  }
  std::filesystem::resize_file(path, kPage);
  const int before = gone;
  while (gone < before + 5) std::this_thread::yield();
  stop = true;
  threads.clear();
  EXPECT_EQ(other_bytes, 0);
}

/// Ends the process in a way of its own.
void leave(int /*signal*/) { ::_exit(7); }
void leave_with_place(int /*signal*/, siginfo_t* info, void* /*context*/) {
  ::_exit(info->si_addr != nullptr ? 8 : 9);
}

/// Touches a page that is not there, outside of any copy.
void touch_missing_page(const std::filesystem::path& path) {
  const File file = File::open(path);
  void* const page = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  std::filesystem::resize_file(path, 0);
  static_cast<void>(*static_cast<volatile const char*>(page));
}

using MappingDeathTest = Mapping;

TEST_F(MappingDeathTest, HandsOtherSignalsToTheHandlerBefore) {
  // A process of its own: the handler is installed once.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, leave);
        const MappedFile mapped(File::open(path), kBytes);
        static_cast<void>(gives(mapped, 0, kBytes));
        touch_missing_page(path);
      },
      testing::ExitedWithCode(7), "");
  EXPECT_EXIT(
      {
        struct sigaction action {};
        action.sa_sigaction = leave_with_place;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGBUS, &action, nullptr);
        const MappedFile mapped(File::open(path), 1);
        touch_missing_page(path);
      },
      testing::ExitedWithCode(8), "");
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_IGN);
        const MappedFile mapped(File::open(path), kBytes);
        ::raise(SIGBUS);
        ::_exit(3);
      },
      testing::ExitedWithCode(3), "");
  for (const bool sent : {false, true}) {
    EXPECT_EXIT(
        {
          ::signal(SIGBUS, SIG_DFL);
          const MappedFile mapped(File::open(path), kBytes);
          sent ? static_cast<void>(::raise(SIGBUS)) : touch_missing_page(path);
          ::_exit(3);
        },
        testing::KilledBySignal(SIGBUS), "");
  }
}

}  // namespace
}  // namespace contourfuse
