// Tables for people: aligned columns of text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace contourfuse {

enum class Align { kLeft, kRight };

/// Columns are as wide as their widest cell (display width of UTF-8), two spaces apart.
class Table {
 public:
  struct Column {
    std::string title{};
    Align align = Align::kRight;
  };
  explicit Table(std::vector<Column> columns);
  void add_row(std::vector<std::string> cells);
  /// A rule before the next row, for totals.
  void add_rule();
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_{};  ///< an empty row is a rule
};

/// "41.6 GB" (powers of 1000), "1.36 GB/s", "3 min 05 s", "12,345", "12.3 %", "0.00123".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
[[nodiscard]] std::string format_rate(double bytes_per_second);
[[nodiscard]] std::string format_duration(double seconds);
[[nodiscard]] std::string format_count(std::uint64_t count);
[[nodiscard]] std::string format_percent(double share);
[[nodiscard]] std::string format_number(double value);

}  // namespace contourfuse
