// Rows of a probe, made from a seed or read from a file.
#include "contourfuse/sweep/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/numeric/philox.hpp"
#include "sweep/output_kernels.hpp"

namespace contourfuse {
namespace {

/// (the upper 53 of 64 bits + ½)·2⁻⁵³: inside (0, 1).
double uniform(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t bits = (std::uint64_t{high} << 32) | low;
  return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
}

std::pair<double, double> normal_pair(std::uint64_t seed, std::uint64_t row, std::uint64_t pair) {
  const PhiloxBlock random =
      philox(seed, {{static_cast<std::uint32_t>(pair), static_cast<std::uint32_t>(pair >> 32),
                     static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32)}});
  const double radius = std::sqrt(-2 * std::log(uniform(random.word[0], random.word[1])));
  const double angle = 2 * std::numbers::pi * uniform(random.word[2], random.word[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

void fill_row(std::uint64_t seed, std::uint64_t row, std::span<double> out) {
  for (std::uint64_t column = 0; column < out.size(); column += 2) {
    const auto [even, odd] = normal_pair(seed, row, column / 2);
    out[column] = even;
    if (column + 1 < out.size()) out[column + 1] = odd;
  }
  double squares = 0;
  for (const double value : out) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(out.size()));
  for (double& value : out) value *= scale;
}

}  // namespace

ProbeRows seeded_probe(std::uint64_t tokens, std::uint64_t hidden_size, std::uint64_t seed,
                       std::span<const float> norm_weight) {
  const auto elements = checked_multiply(tokens, hidden_size);
  ProbeRows rows{.tokens = tokens};
  if (!elements || *elements > rows.values.max_size()) {
    throw Error(
        Failure::kUsage, "probe-too-large",
        fmt::format("{} probe tokens of {} numbers do not fit in memory", tokens, hidden_size));
  }
  if (!norm_weight.empty() && norm_weight.size() != hidden_size) {
    throw Error(Failure::kBadInput, "norm-shape",
                fmt::format("the norm before the MLP has {} weights instead of {}",
                            norm_weight.size(), hidden_size));
  }
  rows.values.resize(*elements);
  std::vector<double> row(hidden_size);
  for (std::uint64_t token = 0; token < tokens; ++token) {
    fill_row(seed, token, row);
    for (std::uint64_t column = 0; column < hidden_size; ++column) {
      const double weight = norm_weight.empty() ? 1 : static_cast<double>(norm_weight[column]);
      rows.values[token * hidden_size + column] = static_cast<float>(row[column] * weight);
    }
  }
  return rows;
}

ProbeFile::ProbeFile(const std::filesystem::path& path)
    : path_(path), header_(read_safetensors_header(path)) {}

ProbeRows ProbeFile::rows(std::uint64_t layer, std::uint64_t hidden_size) const {
  const std::string name = fmt::format("layers.{}.mlp_input", layer);
  const auto refuse = [&](const char* kind, const std::string& message) {
    throw Error(Failure::kBadInput, kind, message, {.file = path_.string(), .tensor = name},
                "tools/capture_probe.py writes such files");
  };
  const TensorInfo* const tensor = header_.find(name);
  if (tensor == nullptr) {
    refuse("probe-missing-layer", fmt::format("the probe has no rows for layer {}", layer));
  }
  if (tensor->shape.size() != 2 || tensor->shape[0] == 0 || tensor->shape[1] != hidden_size) {
    refuse("probe-shape", fmt::format("the shape is {} instead of [tokens, {}]",
                                      to_string(tensor->shape), hidden_size));
  }
  if (!is_editable(tensor->dtype)) {
    refuse("probe-dtype",
           fmt::format("{} is none of BF16, F16 and F32", dtype_name(tensor->dtype)));
  }
  std::vector<std::byte> stored(tensor->end - tensor->begin);
  File::open(path_).read(header_.data_begin() + tensor->begin, stored);
  ProbeRows rows{.tokens = tensor->shape[0]};
  rows.values.resize(tensor->shape[0] * hidden_size);
  output_kernels().widen(tensor->dtype, stored.data(), rows.values.size(), rows.values.data());
  const auto bad = std::find_if(rows.values.begin(), rows.values.end(),
                                [](float value) { return !std::isfinite(value); });
  if (bad != rows.values.end()) {
    const auto at = static_cast<std::uint64_t>(bad - rows.values.begin());
    refuse("probe-non-finite", fmt::format("the element in row {}, column {} is not finite",
                                           at / hidden_size, at % hidden_size));
  }
  return rows;
}

}  // namespace contourfuse
