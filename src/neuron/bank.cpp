// Banks made from families, and their JSON.
#include "contourfuse/neuron/bank.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "bank_rules.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/json_fields.hpp"
#include "contourfuse/neuron/families.hpp"
#include "contourfuse/neuron/fit.hpp"

namespace contourfuse {
namespace {

constexpr std::string_view kFamiliesSchema = "contourfuse.families/1";

struct DefaultFamily {
  std::string_view family;
  std::vector<double> parameters;
};

SourceNeuron fit_source(const NeuronBank& bank, const std::vector<float>& gains, std::string name,
                        LayerUse use, PiecewiseLinear function) {
  Fit fit = fit_cell(bank.activation, function, gains,
                     {.derivative_weight = bank.derivative_weight, .ridge = bank.ridge});
  return SourceNeuron{.name = std::move(name),
                      .kind = use,
                      .function = std::move(function),
                      .gains = gains,
                      .coefficients = std::move(fit.coefficients),
                      .fit_error = fit.fit_error,
                      .storage_error = fit.storage_error};
}

// The function of one entry that gives knots and slopes itself.
PiecewiseLinear function_of(const JsonFields& entry, bool drop_even_part) {
  std::vector<double> knots = entry.numbers("knots", kMaxKnots);
  std::vector<double> slopes = entry.numbers("slopes", kMaxKnots + 1);
  if (!entry.has("value_at_zero")) return {std::move(knots), std::move(slopes)};
  OddSplit split = split_odd(knots, slopes, entry.number("value_at_zero"));
  if (split.even_magnitude > 0 && !drop_even_part) {
    throw Error(Failure::kBadInput, "even-part",
                fmt::format("source neuron \"{}\" has an even part (up to {:.3g} on [-6, 6]), "
                            "which would shift the mean of the layer's output",
                            entry.text("name", kMaxSourceName), split.even_magnitude),
                {.file = entry.file()}, "give --drop-even-part to keep its odd part alone");
  }
  return std::move(split.odd);
}

NamedFunction named_function_of(const JsonFields& entry, bool drop_even_part) {
  if (entry.has("family")) {
    entry.allow({"family", "parameters", "name", "kind"});
    const std::vector<double> parameters =
        entry.has("parameters") ? entry.numbers("parameters", 8) : std::vector<double>{};
    NamedFunction made = make_family(entry.text("family", kMaxSourceName), parameters);
    if (entry.has("name")) made.name = entry.text("name", kMaxSourceName);
    return made;
  }
  entry.allow({"name", "kind", "knots", "slopes", "value_at_zero"});
  return {.name = entry.text("name", kMaxSourceName),
          .function = function_of(entry, drop_even_part)};
}

// Runs `make` for entry i of sources; a refusal that does not know the file gets it.
template <typename Make>
auto in_entry(const std::string& file, std::size_t i, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    if (!error.place().file.empty()) throw;
    throw Error(error.failure(), error.kind(),
                fmt::format("\"sources[{}]\": {}", i, error.message()), {.file = file},
                error.hint());
  }
}

std::vector<float> floats_of(const JsonFields& entry, std::string_view key) {
  std::vector<float> values;
  for (const double value : entry.numbers(key, kMaxGains)) {
    const auto narrowed = static_cast<float>(value);
    if (static_cast<double>(narrowed) != value) {
      entry.refuse(key, fmt::format("holds {}, which is no 32-bit number", value));
    }
    values.push_back(narrowed);
  }
  return values;
}

}  // namespace

NeuronBank make_default_bank(Activation activation, std::uint64_t gains_per_cell) {
  const std::vector<float> gains = default_gains(gains_per_cell);
  const DefaultFamily families[] = {
      {"linear", {}},
      {"hardtanh", {1}},
      {"softthreshold", {0.5}},
      {"leaky_clip", {1, 0.25}},
      {"deadzone_clip", {0.5, 1.5}},
      {"two_slope", {0.75, 0.5, 1.5}},
  };
  NeuronBank bank{.activation = activation};
  for (const DefaultFamily& family : families) {
    NamedFunction made = make_family(family.family, family.parameters);
    bank.sources.push_back(
        fit_source(bank, gains, std::move(made.name), LayerUse::kBoth, std::move(made.function)));
  }
  return bank;
}

NeuronBank parse_families(std::string_view text, const std::string& file, Activation activation,
                          std::uint64_t gains_per_cell, bool drop_even_part) {
  const std::vector<float> gains = default_gains(gains_per_cell);
  const nlohmann::json document = parse_json(text, file);
  const JsonFields root(document, file, "");
  root.allow({"schema", "sources"});
  if (root.text("schema", 64) != kFamiliesSchema) {
    root.refuse("schema", fmt::format("is not \"{}\"", kFamiliesSchema));
  }
  NeuronBank bank{.activation = activation};
  const std::size_t count = root.array("sources", kMaxSources).size();
  for (std::size_t i = 0; i < count; ++i) {
    const JsonFields entry = root.entry("sources", i);
    bank.sources.push_back(in_entry(file, i, [&] {
      NamedFunction made = named_function_of(entry, drop_even_part);
      const LayerUse use =
          entry.has("kind") ? parse_layer_use(entry.text("kind", 64), file) : LayerUse::kBoth;
      return fit_source(bank, gains, std::move(made.name), use, std::move(made.function));
    }));
  }
  check_bank(bank, file);
  return bank;
}

NeuronBank make_bank(Activation activation, std::uint64_t gains_per_cell,
                     const std::filesystem::path& families, bool drop_even_part) {
  return parse_families(read_text(families, kMaxJsonBytes), families.string(), activation,
                        gains_per_cell, drop_even_part);
}

nlohmann::ordered_json bank_sources_to_json(const NeuronBank& bank) {
  auto sources = nlohmann::ordered_json::array();
  for (const SourceNeuron& source : bank.sources) {
    nlohmann::ordered_json entry;
    entry["name"] = source.name;
    entry["kind"] = to_string(source.kind);
    entry["knots"] = source.function.knots();
    entry["slopes"] = source.function.slopes();
    // As f64, so that nothing shorter than the exact value is printed.
    entry["gains"] = std::vector<double>(source.gains.begin(), source.gains.end());
    entry["coefficients"] =
        std::vector<double>(source.coefficients.begin(), source.coefficients.end());
    entry["fit_error"] = source.fit_error;
    sources.push_back(std::move(entry));
  }
  return sources;
}

NeuronBank bank_from_json(const nlohmann::json& sources, Activation activation,
                          const std::string& file) {
  // Under its key, so that refusals say "sources[2].gains".
  const nlohmann::json holder{{"sources", sources}};
  const JsonFields root(holder, file, "");
  NeuronBank bank{.activation = activation};
  const std::size_t count = root.array("sources", kMaxSources).size();
  for (std::size_t i = 0; i < count; ++i) {
    const JsonFields entry = root.entry("sources", i);
    entry.allow({"name", "kind", "knots", "slopes", "gains", "coefficients", "fit_error"});
    bank.sources.push_back(in_entry(file, i, [&] {
      return SourceNeuron{.name = entry.text("name", kMaxSourceName),
                          .kind = parse_layer_use(entry.text("kind", 64), file),
                          .function = PiecewiseLinear(entry.numbers("knots", kMaxKnots),
                                                      entry.numbers("slopes", kMaxKnots + 1)),
                          .gains = floats_of(entry, "gains"),
                          .coefficients = floats_of(entry, "coefficients"),
                          .fit_error = entry.number("fit_error")};
    }));
  }
  check_bank(bank, file);
  return bank;
}

}  // namespace contourfuse
