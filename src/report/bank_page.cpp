// The bank page: an overview table, then three charts per neuron.
#include "contourfuse/report/bank_page.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <iterator>
#include <stdexcept>

#include "contourfuse/report/table.hpp"
#include "report/svg_chart.hpp"

namespace contourfuse {
namespace {

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Neuron bank</title>
<style>
:root { color-scheme: light dark; --ground: #ffffff; --card: #f6f7f9; --ink: #1b1f24;
  --soft: #5b6470; --grid: #dfe3e8; --axis: #9aa3ae; --source: #1f6feb; --cell: #d9480f;
  --error: #7c3aed; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --card: #1c2026; --ink: #e7eaee; --soft: #9aa4b0; --grid: #2d333b;
    --axis: #59636e; --source: #6cb0ff; --cell: #ff9a5c; --error: #c4a2ff; } }
body { margin: 0 auto; max-width: 1180px; padding: 24px 16px 48px; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 4px; } h2 { font-size: 1.05rem; margin: 0; }
p { margin: 0 0 16px; color: var(--soft); }
table { border-collapse: collapse; margin: 0 0 24px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--grid); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
a { color: inherit; }
section { background: var(--card); border-radius: 10px; padding: 14px 16px; margin: 0 0 16px; }
section p { margin: 2px 0 8px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 12px; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
svg .title { fill: var(--ink); font-size: 12px; font-weight: 600; }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
.grid { stroke: var(--grid); } .axis { stroke: var(--axis); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.source { stroke: var(--source); stroke-width: 4.5; opacity: .45; }
.cell { stroke: var(--cell); } .error { stroke: var(--error); }
.key { display: inline-block; width: 1.6em; height: 0; margin: 0 .4em .25em 1em;
  border-top: 3px solid; vertical-align: middle; }
</style>
</head>
<body>
)";

void require_equal_lengths(const NeuronCurves& neuron) {
  for (const auto* values :
       {&neuron.function, &neuron.derivative, &neuron.realised, &neuron.realised_derivative}) {
    if (values->size() != neuron.z.size()) {
      throw std::invalid_argument("curves of neuron \"" + neuron.name + "\" differ in length");
    }
  }
}

std::string overview(std::span<const NeuronCurves> neurons) {
  std::string html =
      "<table><thead><tr><th>source neuron</th><th>layers</th><th>fit error</th>"
      "<th>storage error</th></tr></thead><tbody>\n";
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    const NeuronCurves& neuron = neurons[i];
    fmt::format_to(std::back_inserter(html),
                   "<tr><td><a href=\"#n{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                   i, html_escape(neuron.name), html_escape(neuron.kind),
                   format_percent(neuron.fit_error), format_percent(neuron.storage_error));
  }
  return html + "</tbody></table>\n";
}

std::string section(const NeuronCurves& neuron, std::size_t index) {
  std::vector<double> error(neuron.z.size());
  for (std::size_t i = 0; i < error.size(); ++i) error[i] = neuron.realised[i] - neuron.function[i];

  const std::array<ChartLine, 2> values{{{"f, the source neuron", "source", neuron.function},
                                         {"F, what the cell computes", "cell", neuron.realised}}};
  const std::array<ChartLine, 2> derivatives{
      {{"f′, the derivative neuron", "source", neuron.derivative},
       {"F′ of the cell", "cell", neuron.realised_derivative}}};
  const std::array<ChartLine, 1> errors{{{"F − f", "error", error}}};

  std::string html;
  fmt::format_to(std::back_inserter(html),
                 "<section id=\"n{}\"><h2>{}</h2><p>layers: {} · fit error {} · storage error {}"
                 "</p><div class=\"charts\">",
                 index, html_escape(neuron.name), html_escape(neuron.kind),
                 format_percent(neuron.fit_error), format_percent(neuron.storage_error));
  html += svg_chart("value: f and F", neuron.z, values);
  html += svg_chart("derivative: f′ and F′", neuron.z, derivatives);
  html += svg_chart("error: F − f", neuron.z, errors);
  return html + "</div></section>\n";
}

}  // namespace

std::string bank_page(const std::string& activation, std::uint64_t gains_per_cell,
                      std::span<const NeuronCurves> neurons) {
  std::string html = kHead;
  fmt::format_to(
      std::back_inserter(html),
      "<h1>Neuron bank</h1>\n<p>{} source neurons for {}, {} gains a cell ({} neurons of the MLP). "
      "The errors are relative, in the L2 norm under the standard normal density."
      "<span class=\"key\" style=\"color:var(--source)\"></span>source and derivative neuron"
      "<span class=\"key\" style=\"color:var(--cell)\"></span>the cell that realises it"
      "<span class=\"key\" style=\"color:var(--error)\"></span>the difference</p>\n",
      neurons.size(), html_escape(activation), gains_per_cell, 2 * gains_per_cell);
  html += overview(neurons);
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    require_equal_lengths(neurons[i]);
    html += section(neurons[i], i);
  }
  return html + "</body>\n</html>\n";
}

}  // namespace contourfuse
