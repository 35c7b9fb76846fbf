// Column widths and the spellings of numbers.
#include "contourfuse/report/table.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace contourfuse {
namespace {

TEST(Table, AlignsColumnsAndDropsTrailingSpaces) {
  Table table({{"name", Align::kLeft}, {"count"}});
  table.add_row({"gate", "12,345"});
  table.add_row({"a long name", "7"});
  EXPECT_EQ(table.text(),
            "name          count\n"
            "───────────────────\n"
            "gate         12,345\n"
            "a long name       7\n");
}

TEST(Table, LeftAlignedLastColumnEndsWithItsText) {
  Table table({{"n"}, {"text", Align::kLeft}});
  table.add_row({"1", "x"});
  EXPECT_EQ(table.text(), "n  text\n───────\n1  x\n");
}

TEST(Table, DrawsARuleBeforeTotalsAndFillsShortRows) {
  Table table({{"a", Align::kLeft}, {"b"}});
  table.add_row({"x"});
  table.add_rule();
  table.add_row({"total", "1"});
  EXPECT_EQ(table.text(), "a      b\n────────\nx\n────────\ntotal  1\n");
}

TEST(Table, CountsColumnsAndNotBytes) {
  Table table({{"s", Align::kLeft}, {"n"}});
  table.add_row({"σ", "1"});           // two bytes, one column
  table.add_row({"e\xCC\x81x", "2"});  // a combining accent takes none
  table.add_row({"重み", "3"});        // two wide characters
  table.add_row({"\xFF\xFE", "4"});    // no UTF-8 at all: a column per byte
  EXPECT_EQ(table.text(), "s     n\n───────\nσ     1\ne\xCC\x81x    2\n重み  3\n\xFF\xFE    4\n");
}

TEST(Formats, BytesInPowersOfThousand) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'500), "1.00 MB");
  EXPECT_EQ(format_bytes(41'616'000'000), "41.6 GB");
  EXPECT_EQ(format_bytes(9'996'000'000), "10.0 GB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::uint64_t>::max()), "18.4 EB");
  EXPECT_EQ(format_rate(1.36e9), "1.36 GB/s");
}

TEST(Formats, DurationsRoundIntoTheNextUnit) {
  EXPECT_EQ(format_duration(0.0123), "12 ms");
  EXPECT_EQ(format_duration(1.25), "1.2 s");
  EXPECT_EQ(format_duration(59.94), "59.9 s");
  EXPECT_EQ(format_duration(59.96), "1 min 00 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(90'061), "25 h 01 min");
}

TEST(Formats, CountsAreGrouped) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(12'345'678), "12,345,678");
}

TEST(Formats, SharesNeverRoundToAllOrNothing) {
  EXPECT_EQ(format_percent(0), "0 %");
  EXPECT_EQ(format_percent(1), "100 %");
  EXPECT_EQ(format_percent(0.12345), "12.3 %");
  EXPECT_EQ(format_percent(0.9999), ">99.9 %");
  EXPECT_EQ(format_percent(0.00012), "0.012 %");
  EXPECT_EQ(format_percent(1e-9), "<0.001 %");
  EXPECT_EQ(format_percent(1.5), "150 %");
}

TEST(Formats, NumbersHaveThreeDigits) {
  EXPECT_EQ(format_number(0.0012345), "0.00123");
  EXPECT_EQ(format_number(1), "1");
  EXPECT_EQ(format_number(-2.5e-9), "-2.5e-09");
}

}  // namespace
}  // namespace contourfuse
