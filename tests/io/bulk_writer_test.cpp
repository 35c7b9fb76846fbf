// Files that equal their source but for what is written, by every method.
#include "contourfuse/io/bulk_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "contourfuse/io/page_buffer.hpp"
#include "random_pieces.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

class Writing : public testing::TestWithParam<std::tuple<CopyMethod, bool>> {};

TEST_P(Writing, GivesTheSourceWithItsEdits) {
  const auto [copying, direct] = GetParam();
  const test::TemporaryFolder folder;
  const auto content = random_bytes(200'005, 1);
  File::create(folder / "source").write(0, content);
  const File source = File::open(folder / "source");
  for (unsigned seed = 0; seed < 4; ++seed) {
    const auto path = folder / std::to_string(seed);
    File target = File::create(path);
    if (copying == CopyMethod::kCloned) target.write(0, content);
    BulkWriter writer(source, target, content.size(), copying, direct);
    EXPECT_EQ(writer.in_place(), direct);
    auto expected = content;
    PageBuffer buffer(content.size());
    std::uint64_t edited = 0;
    const auto pieces = random_pieces(content.size(), 20'000, seed);
    for (std::size_t n = 0; n < pieces.size(); ++n) {
      const auto [begin, end] = pieces[n];
      const auto piece = buffer.place(direct ? begin : 0, end - begin);
      const auto at = expected.begin() + static_cast<std::ptrdiff_t>(begin);
      if (n % 2 == 0) {
        std::transform(at, at + static_cast<std::ptrdiff_t>(piece.size()), at,
                       [](std::byte byte) { return ~byte; });
      }
      std::copy_n(at, piece.size(), piece.begin());
      if (n % 2 == 0) {
        writer.write(begin, piece);
        edited += piece.size();
      } else {
        writer.copy(begin, piece);
      }
    }
    writer.finish();
    ASSERT_EQ(content_of(path), expected);
    EXPECT_EQ(writer.written() + writer.cloned(), content.size());
    if (copying == CopyMethod::kWrite) {
      EXPECT_EQ(writer.cloned(), 0U);
    }
    if (copying == CopyMethod::kCloned) {
      EXPECT_EQ(writer.written(), edited);
      EXPECT_TRUE(writer.copies_by_itself());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(BulkWriter, Writing,
                         testing::Combine(testing::Values(CopyMethod::kWrite, CopyMethod::kCloned,
                                                          CopyMethod::kCopyRange),
                                          testing::Bool()));

}  // namespace
}  // namespace contourfuse
