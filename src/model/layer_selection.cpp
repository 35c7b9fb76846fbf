// Parsing of --layers.
#include "contourfuse/model/layer_selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

[[noreturn]] void refuse_word(std::string_view word, std::string_view rule) {
  throw Error(Failure::kUsage, "bad-layer-selection",
              fmt::format("layer selection \"{}\" {}", word, rule), {},
              "give layer numbers, ranges as 0-9, global, sliding or all");
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (text.empty() || failure != std::errc{} || stop != end) return std::nullopt;
  return number;
}

Range parse_range(std::string_view word) {
  const std::size_t dash = word.find('-');
  const auto first = parse_number(word.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(word.substr(dash + 1));
  if (!first || !last) refuse_word(word, "is neither a number, a range nor a kind of layer");
  const Range range{*first, *last};
  if (range.first > range.last) refuse_word(word, "runs backwards");
  return range;
}

const MlpLayer* find(std::span<const MlpLayer> layers, std::uint64_t number) {
  const auto place = std::ranges::lower_bound(layers, number, {}, &MlpLayer::layer);
  return place != layers.end() && place->layer == number ? &*place : nullptr;
}

/// "0-59", or "0, 3, 7 …" for a checkpoint with gaps.
std::string describe_layers(std::span<const MlpLayer> layers) {
  if (layers.empty()) return "no layer";
  const std::uint64_t first = layers.front().layer;
  const std::uint64_t last = layers.back().layer;
  if (last - first + 1 == layers.size()) return fmt::format("layers {}-{}", first, last);
  return fmt::format("{} layers between {} and {}", layers.size(), first, last);
}

void select_range(const Range& range, std::span<const MlpLayer> layers,
                  std::set<std::uint64_t>& selected) {
  for (std::uint64_t number = range.first;; ++number) {
    if (find(layers, number) == nullptr) {
      throw Error(Failure::kBadInput, "unknown-layer",
                  fmt::format("layer {} has no dense MLP in this checkpoint", number), {},
                  fmt::format("there are {}", describe_layers(layers)));
    }
    selected.insert(number);
    if (number == range.last) return;
  }
}

void select_word(std::string_view word, std::span<const MlpLayer> layers,
                 std::set<std::uint64_t>& selected) {
  const bool all = word == "all";
  const bool sliding = word == "sliding";
  if (!all && !sliding && word != "global") {
    select_range(parse_range(word), layers, selected);
    return;
  }
  const LayerKind kind = sliding ? LayerKind::kSliding : LayerKind::kGlobal;
  for (const MlpLayer& layer : layers) {
    if (all || layer.kind == kind) selected.insert(layer.layer);
  }
}

void require_editable(const MlpLayer& layer) {
  for (const auto& matrix : layer.roles) {
    if (matrix && !is_editable(matrix->view.dtype)) {
      throw Error(Failure::kBadInput, "dtype-not-editable",
                  fmt::format("layer {} is stored as {}; only BF16, F16 and F32 weights can be "
                              "edited",
                              layer.layer, dtype_name(matrix->view.dtype)),
                  Place{.tensor = matrix->view.tensor},
                  "use the model's unquantised checkpoint, or select other layers with --layers");
    }
  }
}

}  // namespace

std::vector<std::uint64_t> select_layers(std::span<const std::string> words,
                                         std::span<const MlpLayer> layers) {
  std::set<std::uint64_t> selected;
  if (words.empty()) select_word("all", layers, selected);
  for (const std::string& list : words) {
    std::string_view rest = list;
    while (true) {
      const std::size_t comma = rest.find(',');
      select_word(rest.substr(0, comma), layers, selected);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  if (selected.empty()) {
    throw Error(Failure::kBadInput, "empty-selection", "the layer selection is empty", {},
                fmt::format("there are {}", describe_layers(layers)));
  }
  for (const MlpLayer& layer : layers) {
    if (selected.contains(layer.layer)) require_editable(layer);
  }
  return {selected.begin(), selected.end()};
}

}  // namespace contourfuse
