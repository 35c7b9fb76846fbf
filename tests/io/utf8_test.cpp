// UTF-8 at the edges of every kind of sequence.
#include "io/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace contourfuse {
namespace {

// Encodes as RFC 3629 says, without asking whether the value is allowed.
std::string encoded(std::uint32_t value) {
  const auto tail = [value](unsigned shift) {
    return static_cast<char>(0x80U | ((value >> shift) & 0x3FU));
  };
  if (value < 0x80) return {static_cast<char>(value)};
  if (value < 0x800) return {static_cast<char>(0xC0U | value >> 6U), tail(0)};
  if (value < 0x10000) return {static_cast<char>(0xE0U | value >> 12U), tail(6), tail(0)};
  return {static_cast<char>(0xF0U | value >> 18U), tail(12), tail(6), tail(0)};
}

TEST(Utf8, AcceptsEveryScalarValueAndNoSurrogate) {
  for (std::uint32_t value = 0; value <= 0x110100; ++value) {
    const bool scalar = value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
    ASSERT_EQ(!find_invalid_utf8(encoded(value)), scalar) << std::hex << value;
  }
}

TEST(Utf8, RefusesOverlongFormsCutSequencesAndStrayBytes) {
  for (const char* const text :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\x80", "\xBF", "\xFE", "\xFF",
        "\xC2", "\xE1\x80", "\xF1\x80\x80", "\xC2\x41", "\xE1\x80\x41", "\xF1\x80\x80\xC0"}) {
    EXPECT_EQ(find_invalid_utf8(text), 0U) << text;
  }
}

TEST(Utf8, FindsTheFirstWrongByteWhereverItStands) {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'a');
    text[at] = '\xFF';
    EXPECT_EQ(find_invalid_utf8(text), at);
    text.replace(at, 1, "é");
    EXPECT_EQ(find_invalid_utf8(text), std::nullopt);
  }
  EXPECT_EQ(find_invalid_utf8(""), std::nullopt);
}

TEST(Utf8, ShorteningNeverCutsASequence) {
  EXPECT_EQ(shortened("short", 5), "short");
  EXPECT_EQ(shortened("longer", 5), "longe…");
  EXPECT_EQ(shortened("aé", 2), "a…");
  EXPECT_EQ(shortened("😀", 3), "…");
}

}  // namespace
}  // namespace contourfuse
