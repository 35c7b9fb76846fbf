// Aligned columns, and the spellings of sizes, rates and shares that people read.
#include "contourfuse/report/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>

namespace contourfuse {
namespace {

constexpr std::string_view kGap = "  ";

/// The code point at `at`, which moves past it; a broken sequence counts as one byte.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at++);
  if (lead < 0xC0) return lead;
  const std::size_t follow = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2U : 1U;
  char32_t point = lead & (0x3FU >> follow);
  for (std::size_t i = 0; i < follow && at < text.size() && (byte(at) & 0xC0U) == 0x80; ++i) {
    point = (point << 6) | (byte(at++) & 0x3FU);
  }
  return point;
}

struct PointRange {
  char32_t first;
  char32_t last;
};

/// Combining marks and joiners: no column of their own.
constexpr std::array<PointRange, 5> kZeroWidth{
    {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}}};
/// East Asian wide forms and emoji: two columns.
constexpr std::array<PointRange, 8> kDoubleWidth{{{0x1100, 0x115F},
                                                  {0x2E80, 0xA4CF},
                                                  {0xAC00, 0xD7A3},
                                                  {0xF900, 0xFAFF},
                                                  {0xFE30, 0xFE6F},
                                                  {0xFF00, 0xFF60},
                                                  {0x1F300, 0x1FAFF},
                                                  {0x20000, 0x3FFFD}}};

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    const auto holds = [point](PointRange range) {
      return point >= range.first && point <= range.last;
    };
    if (std::any_of(kZeroWidth.begin(), kZeroWidth.end(), holds)) continue;
    width += std::any_of(kDoubleWidth.begin(), kDoubleWidth.end(), holds) ? 2U : 1U;
  }
  return width;
}

/// Three significant digits, without an exponent: "41.6", "1.36", "416".
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

/// `value` in the largest unit that leaves at least 1, after rounding to three digits.
std::string scaled(double value, std::string_view suffix) {
  constexpr std::array<std::string_view, 7> kUnits{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const std::string digits = unit == 0 ? fmt::format("{:.0f}", value) : three_digits(value);
  return fmt::format("{} {}{}", digits, kUnits[unit], suffix);
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::add_rule() { rows_.emplace_back(); }

std::string Table::text() const {
  std::vector<std::size_t> widths;
  widths.reserve(columns_.size());
  for (const Column& column : columns_) widths.push_back(display_width(column.title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }

  std::string text;
  const auto append_line = [&](const auto& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_at(i);
      const std::string padding(widths[i] - display_width(cell), ' ');
      if (i > 0) line += kGap;
      line += columns_[i].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };

  std::size_t total = kGap.size() * (columns_.empty() ? 0 : columns_.size() - 1);
  for (const std::size_t width : widths) total += width;
  std::string rule;
  for (std::size_t i = 0; i < total; ++i) rule += "─";

  append_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  text += rule + '\n';
  for (const auto& row : rows_) {
    if (row.empty()) {
      text += rule + '\n';
    } else {
      append_line([&](std::size_t i) -> const std::string& { return row[i]; });
    }
  }
  return text;
}

std::string format_bytes(std::uint64_t bytes) { return scaled(static_cast<double>(bytes), ""); }

std::string format_rate(double bytes_per_second) { return scaled(bytes_per_second, "/s"); }

std::string format_duration(double seconds) {
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  // 2^63 seconds is far past any clock; the cap keeps the conversion defined.
  const auto whole = static_cast<std::uint64_t>(std::min(std::round(seconds), 9.0e18));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  const std::uint64_t minutes = whole / 60;
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string format_percent(double share) {
  const double percent = share * 100;
  if (percent == 0 || percent == 100) return fmt::format("{:.0f} %", percent);
  // A share that is not everything never reads as everything, nor a little as nothing.
  if (percent < 100 && percent >= 99.95) return ">99.9 %";
  if (percent > 0 && percent < 0.001) return "<0.001 %";
  if (percent < 0.0995) return fmt::format("{:.3f} %", percent);
  return percent < 99.95 ? fmt::format("{:.1f} %", percent) : fmt::format("{:.0f} %", percent);
}

std::string format_number(double value) { return fmt::format("{:.3g}", value); }

}  // namespace contourfuse
