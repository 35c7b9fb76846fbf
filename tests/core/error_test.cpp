// The line that a person reads.
#include "contourfuse/core/error.hpp"

#include <gtest/gtest.h>

#include <string>

namespace contourfuse {
namespace {

std::string line(const Place& place, const std::string& message = "is wrong") {
  return Error(Failure::kBadInput, "kind", message, place).what();
}

TEST(Error, LeavesOutWhatIsUnknown) {
  EXPECT_EQ(line({}), "is wrong");
  EXPECT_EQ(line({.file = "f"}), "f: is wrong");
  EXPECT_EQ(line({.tensor = "x"}), "tensor \"x\": is wrong");
  EXPECT_EQ(line({.bytes = ByteRange{1, 2}}), "bytes [1, 2): is wrong");
  EXPECT_EQ(line({.file = "f", .tensor = "x"}), "f: tensor \"x\": is wrong");
  EXPECT_EQ(line({.file = "f", .bytes = ByteRange{1, 2}}), "f: bytes [1, 2): is wrong");
  EXPECT_EQ(line({.tensor = "x", .bytes = ByteRange{1, 2}}),
            "tensor \"x\", bytes [1, 2): is wrong");
  EXPECT_EQ(line({.file = "f", .tensor = "x", .bytes = ByteRange{1, 2}}),
            "f: tensor \"x\", bytes [1, 2): is wrong");
}

TEST(Error, KeepsItsParts) {
  const Error error(Failure::kIncomplete, "kind", "message",
                    {.file = "f", .tensor = "x", .bytes = ByteRange{1, 2}}, "hint");
  EXPECT_EQ(error.failure(), Failure::kIncomplete);
  EXPECT_EQ(error.kind(), "kind");
  EXPECT_EQ(error.message(), "message");
  EXPECT_EQ(error.hint(), "hint");
  EXPECT_EQ(error.place().tensor, "x");
  EXPECT_EQ(error.place().bytes->end, 2U);
  EXPECT_EQ(std::string(error.what()).find("hint"), std::string::npos);
}

TEST(Error, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(line({.file = "a\nb", .tensor = "\x1b[31m"}, "c\r\x7f\xC2\x9B"),
            "a\\x0ab: tensor \"\\x1b[31m\": c\\x0d\\x7f\\u009b");
  EXPECT_EQ(line({.file = "é😀"}), "é😀: is wrong");
}

TEST(Error, AVeryLongNameIsCutBetweenCharacters) {
  const std::string name = std::string(199, 'a') + "éééé";
  EXPECT_EQ(line({.tensor = name}), "tensor \"" + std::string(199, 'a') + "…\": is wrong");
}

}  // namespace
}  // namespace contourfuse
