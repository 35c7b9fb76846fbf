// Pages of their own, and places in them.
#include "contourfuse/io/page_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace contourfuse {
namespace {

TEST(PageBuffer, HasRoomForItsBytesWhereverTheyStand) {
  for (const std::size_t bytes :
       {std::size_t{1}, kDirectBlock - 1, kDirectBlock, 5 * kDirectBlock + 3}) {
    PageBuffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kDirectBlock, 0U);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4095}, (std::uint64_t{1} << 40) + 77}) {
      const std::span<std::byte> place = buffer.place(offset, bytes);
      ASSERT_EQ(place.size(), bytes);
      const auto begin = static_cast<std::uint64_t>(place.data() - buffer.data());
      EXPECT_EQ(begin, offset % kDirectBlock);
      EXPECT_LE(block_up(begin + bytes), buffer.size()) << "its last block is in the buffer";
      std::ranges::fill(place, std::byte{7});
    }
  }
}

TEST(PageBuffer, MovesItsPages) {
  PageBuffer first(100);
  std::byte* const data = first.data();
  PageBuffer second(std::move(first));
  PageBuffer third;
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(second.size(), 0U);
}

TEST(Blocks, RoundOffsets) {
  EXPECT_EQ(block_down(4095), 0U);
  EXPECT_EQ(block_down(8192), 8192U);
  EXPECT_EQ(block_up(1), 4096U);
  EXPECT_EQ(block_up(4096), 4096U);
}

}  // namespace
}  // namespace contourfuse
