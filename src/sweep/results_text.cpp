// results.jsonl, results.csv, and the totals of `--json`. A grid has many lines and few distinct
// numbers: what depends on one axis alone is written once and copied.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "contourfuse/sweep/results.hpp"

namespace contourfuse {
namespace {

/// Of a piece: large for the system, small for a cache.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

/// A name and a number, or null.
struct Field {
  std::string_view name{};
  std::optional<double> value{};
};
using Fields = std::vector<Field>;

Fields matrix_fields(const MatrixGrid& matrix, const GridPoint& point, bool gate) {
  Fields fields{{"covered", static_cast<double>(matrix.covered)},
                {"moved", static_cast<double>(point.moved)},
                {"drift", drift(matrix, point)},
                {"changed", point.changed},
                {"lost", point.lost}};
  if (gate) fields.push_back({"clamped", static_cast<double>(point.clamped)});
  fields.push_back({"sign_flips", static_cast<double>(point.sign_flips)});
  fields.push_back({"mean_shift", mean_shift(matrix, point)});
  return fields;
}

Fields output_fields(const OutputGrid& output, const OutputPoint& point) {
  return {{"error", output_error(output, point)},
          {"cosine", output_cosine(output, point)},
          {"mean_shift", output_mean_shift(output, point)},
          {"error_after_norm", error_after_norm(output, point)}};
}

/// Shortest text that reads back as the same number; whole numbers without a point or an exponent.
void append_number(std::string& text, double value) {
  constexpr double kExactWholeNumbers = 0x1p53;
  if (value == std::floor(value) && std::abs(value) < kExactWholeNumbers) {
    fmt::format_to(std::back_inserter(text), "{:.0f}", value == 0 ? 0.0 : value);
  } else {
    fmt::format_to(std::back_inserter(text), "{}", value);
  }
}

std::string json_object(const Fields& fields) {
  std::string text = "{";
  for (const Field& field : fields) {
    if (text.size() > 1) text += ',';
    fmt::format_to(std::back_inserter(text), "\"{}\":", field.name);
    if (field.value) {
      append_number(text, *field.value);
    } else {
      text += "null";
    }
  }
  return text + '}';
}

std::string csv_cells(const Fields& fields) {
  std::string text;
  for (const Field& field : fields) {
    text += ',';
    if (field.value) append_number(text, *field.value);
  }
  return text;
}

/// The names of a group's columns, and as many empty cells.
std::string csv_names(std::string_view group, const Fields& fields) {
  std::string text;
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(text), ",{}_{}", group, field.name);
  }
  return text;
}

/// A cell as RFC 4180 has it: harnesses name metrics "acc,none".
std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

using Writer = std::function<std::string(const Fields&)>;

/// The texts of one layer's points, by axis.
struct LayerTexts {
  std::vector<std::string> gate{};  ///< a γ
  std::vector<std::string> down{};  ///< an α
};

std::vector<std::string> axis_texts(const std::optional<MatrixGrid>& matrix, std::size_t points,
                                    bool gate, const Writer& write, const std::string& missing) {
  std::vector<std::string> texts;
  texts.reserve(points);
  for (std::size_t i = 0; i < points; ++i) {
    texts.push_back(matrix ? write(matrix_fields(*matrix, matrix->points[i], gate)) : missing);
  }
  return texts;
}

/// All layers, the total last.
std::vector<const LayerGrid*> in_order(const SweepResults& results) {
  std::vector<const LayerGrid*> layers;
  for (const LayerGrid& layer : results.layers) layers.push_back(&layer);
  layers.push_back(&results.total);
  return layers;
}

const Evaluation* find_evaluation(const SweepResults& results, std::size_t alpha,
                                  std::size_t gamma) {
  for (const Evaluation& evaluation : results.evaluations) {
    if (evaluation.alpha == alpha && evaluation.gamma == gamma) return &evaluation;
  }
  return nullptr;
}

/// Calls line(text, gamma index, alpha index, layer index) for each line in the order of the
/// results, and hands on what it wrote in pieces.
template <class Line>
void for_each_line(const SweepPlan& plan, std::size_t layers, const TextSink& sink,
                   const Line& line) {
  std::string text;
  for (std::size_t g = 0; g < plan.settings.gammas.size(); ++g) {
    for (std::size_t a = 0; a < plan.settings.alphas.size(); ++a) {
      for (std::size_t n = 0; n < layers; ++n) line(text, g, a, n);
      if (text.size() < kPieceBytes) continue;
      sink(text);
      text.clear();
    }
  }
  sink(text);
}

std::string evaluation_json(const Evaluation& evaluation) {
  return nlohmann::ordered_json(evaluation.metrics).dump();
}

std::vector<std::string> number_texts(const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double value : values) append_number(texts.emplace_back(), value);
  return texts;
}

std::vector<LayerTexts> layer_texts(const SweepPlan& plan,
                                    const std::vector<const LayerGrid*>& layers,
                                    const Writer& write, const std::string& no_gate,
                                    const std::string& no_down) {
  std::vector<LayerTexts> texts;
  texts.reserve(layers.size());
  for (const LayerGrid* layer : layers) {
    texts.push_back({axis_texts(layer->gate, plan.settings.gammas.size(), true, write, no_gate),
                     axis_texts(layer->down, plan.settings.alphas.size(), false, write, no_down)});
  }
  return texts;
}

}  // namespace

void write_jsonl(const SweepPlan& plan, const SweepResults& results, const TextSink& sink) {
  const std::vector<const LayerGrid*> layers = in_order(results);
  const std::vector<LayerTexts> texts = layer_texts(plan, layers, json_object, "null", "null");
  const std::vector<std::string> alphas = number_texts(plan.settings.alphas);
  const std::vector<std::string> gammas = number_texts(plan.settings.gammas);
  for_each_line(
      plan, layers.size(), sink,
      [&](std::string& text, std::size_t g, std::size_t a, std::size_t n) {
        const bool total = n + 1 == layers.size();
        const std::optional<OutputGrid>& output = layers[n]->output;
        fmt::format_to(
            std::back_inserter(text),
            "{{\"alpha\":{},\"gamma_cap\":{},\"layer\":{},\"gate\":{},\"down\":{},\"output\":{}",
            alphas[a], gammas[g], total ? "null" : std::to_string(layers[n]->layer),
            texts[n].gate[g], texts[n].down[a],
            output ? json_object(output_fields(*output, output->points[g * alphas.size() + a]))
                   : "null");
        if (const Evaluation* found = total ? find_evaluation(results, a, g) : nullptr) {
          fmt::format_to(std::back_inserter(text), ",\"evaluation\":{}", evaluation_json(*found));
        }
        text += "}\n";
      });
}

void write_csv(const SweepPlan& plan, const SweepResults& results, const TextSink& sink) {
  const Fields gate_names = matrix_fields({}, {}, true);
  const Fields down_names = matrix_fields({}, {}, false);
  const Fields output_names = output_fields({}, {});
  std::set<std::string> metrics;
  for (const Evaluation& evaluation : results.evaluations) {
    for (const auto& [name, value] : evaluation.metrics) metrics.insert(name);
  }
  std::string header = "alpha,gamma_cap,layer" + csv_names("gate", gate_names) +
                       csv_names("down", down_names) + csv_names("output", output_names);
  for (const std::string& name : metrics) header += ',' + csv_cell("evaluation_" + name);
  header += '\n';

  const std::vector<const LayerGrid*> layers = in_order(results);
  const std::vector<LayerTexts> texts =
      layer_texts(plan, layers, csv_cells, std::string(gate_names.size(), ','),
                  std::string(down_names.size(), ','));
  const std::vector<std::string> alphas = number_texts(plan.settings.alphas);
  const std::vector<std::string> gammas = number_texts(plan.settings.gammas);
  sink(header);
  for_each_line(
      plan, layers.size(), sink,
      [&](std::string& text, std::size_t g, std::size_t a, std::size_t n) {
        const bool total = n + 1 == layers.size();
        const std::optional<OutputGrid>& output = layers[n]->output;
        fmt::format_to(
            std::back_inserter(text), "{},{},{}{}{}{}", alphas[a], gammas[g],
            total ? "" : std::to_string(layers[n]->layer), texts[n].gate[g], texts[n].down[a],
            output ? csv_cells(output_fields(*output, output->points[g * alphas.size() + a]))
                   : std::string(output_names.size(), ','));
        const Evaluation* found = total ? find_evaluation(results, a, g) : nullptr;
        for (const std::string& name : metrics) {
          text += ',';
          if (found != nullptr && found->metrics.contains(name)) {
            append_number(text, found->metrics.at(name));
          }
        }
        text += '\n';
      });
}

nlohmann::ordered_json total_points(const SweepPlan& plan, const SweepResults& results) {
  SweepResults totals;
  totals.total = results.total;
  totals.evaluations = results.evaluations;
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  std::string lines;
  write_jsonl(plan, totals, [&lines](std::string_view text) { lines += text; });
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin);
    points.push_back(nlohmann::ordered_json::parse(lines.substr(begin, end - begin)));
    begin = end + 1;
  }
  return points;
}

}  // namespace contourfuse
