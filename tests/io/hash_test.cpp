// XXH3 against values of the reference implementation (Python's xxhash 4.1.0).
#include "contourfuse/io/hash.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "contourfuse/io/file.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 131 % 251);
  return text;
}

std::string hash_of(const std::string& text) {
  Hash128 hash;
  hash.update(text);
  return hash.hex();
}

TEST(Hash, AgreesWithTheReference) {
  EXPECT_EQ(hash_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(hash_of(pattern(1000)), "b4e5ae257f0c52956c2862d159774f7b");
  EXPECT_EQ(hash_of(pattern(3'000'001)), "0f153ebc261610adf2be6959e5475ddb");
  EXPECT_EQ(xxh3_64("abc"), 0x78af5f94892f3950ULL);
  EXPECT_EQ(xxh3_64(pattern(1000)), 0x6c2862d159774f7bULL);
}

TEST(Hash, PiecesMakeTheSameHash) {
  const std::string text = pattern(100'000);
  for (const std::size_t piece : {1U, 7U, 255U, 256U, 4097U}) {
    Hash128 hash;
    for (std::size_t at = 0; at < text.size(); at += piece) hash.update(text.substr(at, piece));
    EXPECT_EQ(hash.hex(), hash_of(text)) << piece;
  }
}

TEST(Hash, MovesItsStateAndMayBeAskedMoreThanOnce) {
  Hash128 first;
  first.update(std::string_view("a"));
  Hash128 second(std::move(first));
  EXPECT_EQ(second.hex(), hash_of("a"));
  second.update(std::string_view("bc"));
  EXPECT_EQ(second.hex(), hash_of("abc"));
}

TEST(Hash, OfAFileIsThatOfItsBytes) {
  const test::TemporaryFolder folder;
  // Around the size of the buffer in which a file is read.
  for (const std::size_t bytes : {0U, 1U, (1U << 20) - 1, 1U << 20, (1U << 20) + 1, 3'000'001U}) {
    write_text(folder / "f", pattern(bytes), false);
    EXPECT_EQ(hash_file(folder / "f"), hash_of(pattern(bytes))) << bytes;
  }
}

}  // namespace
}  // namespace contourfuse
