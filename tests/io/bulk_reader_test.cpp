// Every method gives the file's bytes, whatever the filesystem thinks of it.
#include "contourfuse/io/bulk_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "random_pieces.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

constexpr ReadMethod kMethods[] = {ReadMethod::kAuto, ReadMethod::kPread, ReadMethod::kMmap,
                                   ReadMethod::kDirect};

class Reading : public testing::Test {
 protected:
  void write(std::size_t count) {
    content = random_bytes(count, 3);
    File::create(path).write(0, content);
  }
  [[nodiscard]] bool equals(std::span<const std::byte> got, const ByteRange& range) const {
    return std::ranges::equal(got,
                              std::span(content).subspan(range.begin, range.end - range.begin));
  }

  const test::TemporaryFolder folder{};
  const std::filesystem::path path = folder / "f";
  std::vector<std::byte> content{};
};

TEST_F(Reading, GivesTheBytesByEveryMethod) {
  for (const std::size_t size : {std::size_t{1}, kDirectBlock, std::size_t{300'001}}) {
    std::filesystem::remove(path);
    write(size);
    const File file = File::open(path);
    for (const ReadMethod method : kMethods) {
      const BulkReader reader(file, size, method);
      PageBuffer buffer(size);
      for (const ByteRange& piece : random_pieces(size, 40'000, 11)) {
        const std::span<std::byte> out = buffer.place(piece.begin, piece.end - piece.begin);
        reader.read_in_place(piece.begin, out);
        ASSERT_TRUE(equals(out, piece)) << piece.begin;
        std::vector<std::byte> elsewhere(out.size());
        reader.read(piece.begin, elsewhere);
        ASSERT_TRUE(equals(elsewhere, piece)) << piece.begin;
      }
      EXPECT_FALSE(reader.direct() && method != ReadMethod::kDirect);
    }
  }
}

TEST_F(Reading, AnEarlyEndIsAnError) {
  write(10'000);
  const File file = File::open(path);
  for (const ReadMethod method : kMethods) {
    const BulkReader reader(file, 10'000, method);
    PageBuffer buffer(20'000);
    for (const std::uint64_t offset : {9000U, 10'000U, 12'288U, 50'000U}) {
      const Error error =
          test::error_of([&] { reader.read_in_place(offset, buffer.place(offset, 9000)); });
      EXPECT_EQ(error.kind(), "io-short-read") << offset;
      EXPECT_EQ(error.place().file, path.string());
    }
  }
}

TEST_F(Reading, AFileThatWasTruncatedMeanwhileIsAnError) {
  for (const ReadMethod method : kMethods) {
    std::filesystem::remove(path);
    write(300'000);
    const File file = File::open(path);
    const BulkReader reader(file, 300'000, method);
    PageBuffer buffer(300'000);
    reader.read_in_place(0, buffer.place(0, 300'000));
    std::filesystem::resize_file(path, 100'000);
    // Across the new end; behind it in its page; in pages that are gone.
    for (const ByteRange& range :
         {ByteRange{90'000, 190'000}, {100'010, 100'020}, {200'000, 200'001}}) {
      const std::span<std::byte> out = buffer.place(range.begin, range.end - range.begin);
      const Error error = test::error_of([&] { reader.read_in_place(range.begin, out); });
      EXPECT_EQ(error.kind(), "io-short-read");
      EXPECT_EQ(error.failure(), Failure::kFailed);
      EXPECT_EQ(error.place().file, path.string());
      ASSERT_TRUE(error.place().bytes);
      EXPECT_GE(error.place().bytes->begin, std::min<std::uint64_t>(range.begin, 100'000));
      EXPECT_EQ(error.place().bytes->end, range.end);
    }
    const std::span<std::byte> out = buffer.place(50'000, 50'000);
    reader.read_in_place(50'000, out);
    EXPECT_TRUE(equals(out, {50'000, 100'000}));
  }
}

TEST_F(Reading, GoesThroughTheCacheWhereDirectTransfersAreRefused) {
  write(50'000);
  const File file = File::open(path);
  // The name is gone, so there is no second descriptor.
  std::filesystem::rename(path, folder / "g");
  const BulkReader nameless(file, 50'000, ReadMethod::kDirect);
  EXPECT_TRUE(nameless.refused());
  EXPECT_FALSE(nameless.direct());
  // Another file of that name is not taken for it.
  File::create(path).write(0, random_bytes(50'000, 4));
  const BulkReader other(file, 50'000, ReadMethod::kDirect);
  EXPECT_TRUE(other.refused());
  PageBuffer buffer(50'000);
  for (const BulkReader* reader : {&nameless, &other}) {
    const std::span<std::byte> out = buffer.place(123, 40'000);
    reader->read_in_place(123, out);
    EXPECT_TRUE(equals(out, {123, 40'123}));
  }
}

TEST_F(Reading, GoesOnThroughTheCacheAfterARefusedTransfer) {
  write(50'000);
  const File file = File::open(path);
  const BulkReader reader(file, 50'000, ReadMethod::kDirect);
  PageBuffer buffer(60'000);
  // Memory that stands askew: most filesystems refuse it.
  const std::span<std::byte> askew = buffer.place(4097, 40'000);
  reader.read_in_place(4096, askew);
  EXPECT_TRUE(equals(askew, {4096, 44'096}));
  const std::span<std::byte> straight = buffer.place(5000, 45'000);
  reader.read_in_place(5000, straight);
  EXPECT_TRUE(equals(straight, {5000, 50'000}));
}

TEST_F(Reading, MakesOneReaderAFile) {
  write(5000);
  const File file = File::open(path);
  BulkReaders readers(ReadMethod::kDirect);
  const BulkReader& first = readers.of(file, 5000);
  EXPECT_EQ(&first, &readers.of(file, 5000));
  EXPECT_EQ(&first, &readers.known(file));
  EXPECT_EQ(readers.refused(), first.refused() ? &file : nullptr);
  std::filesystem::rename(path, folder / "g");
  const File moved = File::open(folder / "g");
  std::filesystem::remove(folder / "g");
  EXPECT_TRUE(readers.of(moved, 5000).refused());
  EXPECT_NE(readers.refused(), nullptr);
}

}  // namespace
}  // namespace contourfuse
