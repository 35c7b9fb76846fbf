// Line charts as inline SVG.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace contourfuse {

/// One line of a chart; `style` is a CSS class of the page.
struct ChartLine {
  std::string_view label;
  std::string_view style;
  std::span<const double> values;
};

/// An `<svg>` element with a title, axes, ticks and one polyline per line over the same x. Points
/// that are not finite break a line.
[[nodiscard]] std::string svg_chart(std::string_view title, std::span<const double> x,
                                    std::span<const ChartLine> lines);

/// `text` with &, <, >, " and ' as entities.
[[nodiscard]] std::string html_escape(std::string_view text);

}  // namespace contourfuse
