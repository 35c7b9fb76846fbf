// Pieces that end anywhere make the file that plain writes make.
#include "contourfuse/io/direct_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "random_pieces.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

/// Writes the pieces of `content` from `threads` threads; every third one is kept if `some_kept`.
void write_pieces(DirectWriter& writer, std::span<const std::byte> content,
                  const std::vector<ByteRange>& pieces, int threads, bool some_kept = false) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> workers;
  workers.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      PageBuffer buffer(content.size());
      for (std::size_t n = next++; n < pieces.size(); n = next++) {
        const std::uint64_t bytes = pieces[n].end - pieces[n].begin;
        // What stands around the piece is none of the file's.
        const std::span<std::byte> piece = buffer.place(pieces[n].begin, bytes);
        const std::span<std::byte> blocks(buffer.data(),
                                          block_up(pieces[n].begin % kDirectBlock + bytes));
        std::ranges::fill(blocks, std::byte{0xEE});
        std::ranges::copy(content.subspan(pieces[n].begin, bytes), piece.begin());
        if (some_kept && n % 3 == 0) {
          writer.keep(pieces[n].begin, piece);
        } else {
          writer.write(pieces[n].begin, piece);
        }
        EXPECT_TRUE(std::ranges::equal(content.subspan(pieces[n].begin, bytes), piece));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

TEST(DirectWriter, WritesWhatPlainWritesDo) {
  const test::TemporaryFolder folder;
  unsigned seed = 0;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{4095}, kDirectBlock, kDirectBlock + 1, std::size_t{200'003}}) {
    for (const std::uint64_t longest : {100U, 5000U, 70'000U}) {
      for (const bool allocated : {false, true}) {
        const auto path = folder / std::to_string(seed);
        const auto content = random_bytes(size, ++seed);
        File file = File::create(path);
        if (allocated) file.allocate(size);
        DirectWriter writer(file, size);
        write_pieces(writer, content, random_pieces(size, longest, seed), 1);
        writer.finish();
        ASSERT_EQ(content_of(path), content) << size << " in pieces of " << longest;
      }
    }
  }
}

TEST(DirectWriter, TakesPiecesFromAllThreads) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(400'001, 1);
  for (unsigned seed = 0; seed < 8; ++seed) {
    const auto path = folder / std::to_string(seed);
    File file = File::create(path);
    DirectWriter writer(file, content.size());
    write_pieces(writer, content, random_pieces(content.size(), 9000, seed), 4);
    writer.finish();
    ASSERT_EQ(content_of(path), content);
  }
}

TEST(DirectWriter, KeepsWhatTheFileHolds) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(300'007, 1);
  for (unsigned seed = 0; seed < 6; ++seed) {
    const auto pieces = random_pieces(content.size(), 20'000, seed);
    const auto path = folder / std::to_string(seed);
    File file = File::create(path);
    // The kept bytes are there, the others are wrong.
    auto before = random_bytes(content.size(), 99);
    for (std::size_t n = 0; n < pieces.size(); n += 3) {
      std::copy(content.begin() + static_cast<std::ptrdiff_t>(pieces[n].begin),
                content.begin() + static_cast<std::ptrdiff_t>(pieces[n].end),
                before.begin() + static_cast<std::ptrdiff_t>(pieces[n].begin));
    }
    file.write(0, before);
    DirectWriter writer(file, content.size());
    write_pieces(writer, content, pieces, 3, true);
    writer.finish();
    ASSERT_EQ(content_of(path), content);
  }
}

TEST(DirectWriter, WritesNoBlockThatIsKeptWhole) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(3 * kDirectBlock, 1);
  File file = File::create(folder / "f");
  file.write(0, random_bytes(content.size(), 2));
  const auto before = content_of(folder / "f");
  DirectWriter writer(file, content.size());
  PageBuffer buffer(content.size());
  for (const ByteRange& range : {ByteRange{0, 5000}, ByteRange{5000, 3 * kDirectBlock}}) {
    const auto piece = buffer.place(range.begin, range.end - range.begin);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(range.begin), piece.size(),
                piece.begin());
    writer.keep(range.begin, piece);
  }
  writer.finish();
  EXPECT_EQ(content_of(folder / "f"), before);
}

TEST(DirectWriter, NeverMakesTheFileLongerThanItIsInTheEnd) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(2 * kDirectBlock + 100, 1);
  for (const std::uint64_t cut : {std::uint64_t{0}, std::uint64_t{5000}, 2 * kDirectBlock + 50}) {
    const auto path = folder / std::to_string(cut);
    File file = File::create(path);
    file.allocate(content.size());
    DirectWriter writer(file, content.size());
    PageBuffer buffer(content.size());
    for (const ByteRange& range : {ByteRange{0, cut}, ByteRange{cut, content.size()}}) {
      const auto piece = buffer.place(range.begin, range.end - range.begin);
      std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(range.begin), piece.size(),
                  piece.begin());
      writer.write(range.begin, piece);
      // As a killed run would leave it.
      EXPECT_EQ(std::filesystem::file_size(path), content.size());
    }
    EXPECT_EQ(content_of(path), content);
  }
}

TEST(DirectWriter, AMissingPieceIsNoticed) {
  const test::TemporaryFolder folder;
  File file = File::create(folder / "f");
  DirectWriter writer(file, 10'000);
  if (writer.refused()) GTEST_SKIP() << "the filesystem takes no direct writes";
  PageBuffer buffer(10'000);
  writer.write(0, buffer.place(0, 5000));
  EXPECT_EQ(test::error_of([&] { writer.finish(); }).kind(), "internal");
}

TEST(DirectWriter, GoesThroughTheCacheWhereDirectTransfersAreRefused) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(100'003, 5);
  File file = File::create(folder / "f");
  std::filesystem::rename(folder / "f", folder / "g");  // no second descriptor by that name
  DirectWriter writer(file, content.size());
  EXPECT_TRUE(writer.refused());
  write_pieces(writer, content, random_pieces(content.size(), 9000, 1), 2);
  writer.finish();
  EXPECT_EQ(content_of(folder / "g"), content);
}

TEST(DirectWriter, GoesOnThroughTheCacheAfterARefusedTransfer) {
  const test::TemporaryFolder folder;
  const auto content = random_bytes(100'003, 5);
  File file = File::create(folder / "f");
  DirectWriter writer(file, content.size());
  PageBuffer buffer(content.size());
  // Whole blocks in memory that stands askew: most filesystems refuse it.
  const std::uint64_t whole = 20 * kDirectBlock;
  const auto askew = buffer.place(1, whole);
  std::copy_n(content.begin(), whole, askew.begin());
  writer.write(0, askew);
  const auto rest = buffer.place(whole, content.size() - whole);
  std::copy(content.begin() + static_cast<std::ptrdiff_t>(whole), content.end(), rest.begin());
  writer.write(whole, rest.first(1001));
  const auto last = buffer.place(whole + 1001, content.size() - whole - 1001);
  std::copy(content.begin() + static_cast<std::ptrdiff_t>(whole + 1001), content.end(),
            last.begin());
  writer.write(whole + 1001, last);
  writer.finish();
  EXPECT_EQ(content_of(folder / "f"), content);
}

}  // namespace
}  // namespace contourfuse
