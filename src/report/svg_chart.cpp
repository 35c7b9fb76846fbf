// Layout of the charts: a fixed view box, ticks at 1, 2 and 5 times powers of ten.
#include "report/svg_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

namespace contourfuse {
namespace {

// View box and margins in SVG units.
constexpr double kWidth = 360;
constexpr double kHeight = 230;
constexpr double kLeft = 46;
constexpr double kRight = 10;
constexpr double kTop = 26;
constexpr double kBottom = 22;

struct Interval {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Never empty: nothing gives [−1, 1], a single value room on both sides.
Interval with_room(Interval range, double share) {
  if (range.low > range.high) return {-1, 1};
  const double width = range.high - range.low;
  const double room = width > 0 ? width * share : std::max(std::abs(range.low), 1.0) * 0.5;
  return {range.low - room, range.high + room};
}

/// The step of 1, 2 or 5 · 10^n that gives about `count` ticks.
double tick_step(Interval range, double count) {
  const double raw = (range.high - range.low) / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double share = raw / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

std::string tick_label(double value, double step) {
  return fmt::format("{:.3g}", std::abs(value) < step * 1e-6 ? 0.0 : value);
}

}  // namespace

std::string svg_chart(std::string_view title, std::span<const double> x,
                      std::span<const ChartLine> lines) {
  Interval xs;
  Interval ys;
  for (const double value : x) xs.include(value);
  for (const ChartLine& line : lines) {
    for (const double value : line.values) ys.include(value);
  }
  xs = with_room(xs, 0);
  ys = with_room(ys, 0.06);
  const auto at_x = [&](double value) {
    return kLeft + (value - xs.low) / (xs.high - xs.low) * (kWidth - kLeft - kRight);
  };
  const auto at_y = [&](double value) {
    return kHeight - kBottom - (value - ys.low) / (ys.high - ys.low) * (kHeight - kTop - kBottom);
  };

  std::string svg;
  const auto out = std::back_inserter(svg);
  fmt::format_to(out, R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", kWidth, kHeight,
                 html_escape(title));
  fmt::format_to(out, R"(<text class="title" x="{}" y="15">{}</text>)", kLeft, html_escape(title));

  const double x_step = tick_step(xs, 6);
  for (double tick = std::ceil(xs.low / x_step) * x_step; tick <= xs.high; tick += x_step) {
    fmt::format_to(out, R"(<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>)",
                   at_x(tick), kTop, kHeight - kBottom);
    fmt::format_to(out, R"(<text class="tick middle" x="{:.1f}" y="{}">{}</text>)", at_x(tick),
                   kHeight - kBottom + 14, tick_label(tick, x_step));
  }
  const double y_step = tick_step(ys, 5);
  for (double tick = std::ceil(ys.low / y_step) * y_step; tick <= ys.high; tick += y_step) {
    fmt::format_to(out, R"(<line class="{}" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)",
                   std::abs(tick) < y_step * 1e-6 ? "axis" : "grid", kLeft, kWidth - kRight,
                   at_y(tick), at_y(tick));
    fmt::format_to(out, R"(<text class="tick end" x="{}" y="{:.1f}">{}</text>)", kLeft - 5,
                   at_y(tick) + 3.5, tick_label(tick, y_step));
  }

  for (const ChartLine& line : lines) {
    fmt::format_to(out, R"(<path class="line {}" d=")", line.style);
    bool pen_down = false;
    for (std::size_t i = 0; i < std::min(x.size(), line.values.size()); ++i) {
      if (!std::isfinite(line.values[i])) {
        pen_down = false;
        continue;
      }
      fmt::format_to(out, "{}{:.2f} {:.2f}", pen_down ? 'L' : 'M', at_x(x[i]),
                     at_y(line.values[i]));
      pen_down = true;
    }
    fmt::format_to(out, R"("><title>{}</title></path>)", html_escape(line.label));
  }
  svg += "</svg>";
  return svg;
}

std::string html_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace contourfuse
