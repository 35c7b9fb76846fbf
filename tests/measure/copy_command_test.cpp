// The copy that anyone would make.
#include "contourfuse/measure/copy_command.hpp"

#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

TEST(CopyByCommand, CopiesAFolder) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.path() / "-from" / "below" / "file", "abc");
  for (const bool durable : {false, true}) {
    const auto to = folder.path() / (durable ? "durable" : "plain");
    copy_by_command(folder.path() / "-from", to, durable);
    EXPECT_EQ(test::read_bytes(to / "below" / "file"), "abc");
  }
}

TEST(CopyByCommand, SaysThatItFailed) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(copy_by_command(folder.path() / "missing", folder.path() / "to", false), Error);
}

}  // namespace
}  // namespace contourfuse
