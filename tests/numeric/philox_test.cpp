// Philox4x32-10 against the known answers that its authors publish (Random123, kat_vectors).
#include "contourfuse/numeric/philox.hpp"

#include <gtest/gtest.h>

#include <array>

namespace contourfuse {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words words(std::uint64_t key, const PhiloxBlock& counter) {
  const PhiloxBlock block = philox(key, counter);
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(words(0, {{0, 0, 0, 0}}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(words(0xffffffffffffffffU, {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(0x299f31d0a4093822U, {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

}  // namespace
}  // namespace contourfuse
