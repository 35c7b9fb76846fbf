// Checks of banks from anywhere.
#include "bank_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

[[noreturn]] void refuse_bank(const std::string& file, std::string message) {
  throw Error(Failure::kBadInput, "bad-bank", std::move(message), {.file = file});
}

bool is_bf16(float value) { return (std::bit_cast<std::uint32_t>(value) & 0xFFFFU) == 0; }

bool is_allowed_gain(float gain) {
  if (!(gain > 0) || !std::isfinite(gain)) return false;
  int exponent = 0;
  const float fraction = std::frexp(gain, &exponent);
  return fraction == 0.5F && std::abs(exponent - 1) <= kMaxGainExponent;
}

void check_source(const SourceNeuron& source, std::size_t gains, const std::string& file) {
  const auto bad = [&](std::string_view rule) {
    refuse_bank(file, fmt::format("source neuron \"{}\": {}", source.name, rule));
  };
  if (source.name.empty() || source.name.size() > kMaxSourceName) bad("bad name");
  if (source.function.knots().size() > kMaxKnots) bad("too many knots");
  if (source.gains.size() != gains || source.coefficients.size() != gains) {
    bad("all sources need the same number of gains, and a coefficient for each");
  }
  if (!std::all_of(source.gains.begin(), source.gains.end(), is_allowed_gain) ||
      std::adjacent_find(source.gains.begin(), source.gains.end(), std::greater_equal<>()) !=
          source.gains.end()) {
    bad(fmt::format("gains must be ascending powers of two between 2^-{0} and 2^{0}",
                    kMaxGainExponent));
  }
  for (const float k : source.coefficients) {
    if (!std::isfinite(k) || !is_bf16(k)) {
      bad(fmt::format("coefficient {} is no bf16 value", k));
    }
    if (k != 0 && std::abs(std::ilogb(k)) > kMaxCoefficientExponent) {
      bad(fmt::format("coefficient {0} is outside of 2^-{1} … 2^{1}", k, kMaxCoefficientExponent));
    }
  }
  for (const double error : {source.fit_error, source.storage_error}) {
    if (!std::isfinite(error) || error < 0) bad("errors must be finite and not negative");
  }
}

}  // namespace

void check_bank(const NeuronBank& bank, const std::string& file) {
  if (bank.sources.empty() || bank.sources.size() > kMaxSources) {
    refuse_bank(file, fmt::format("a bank has 1 to {} source neurons, this one {}", kMaxSources,
                                  bank.sources.size()));
  }
  const std::size_t gains = bank.sources.front().gains.size();
  if (gains == 0 || gains > kMaxGains) {
    refuse_bank(file, fmt::format("a cell has 1 to {} gains, not {}", kMaxGains, gains));
  }
  for (const SourceNeuron& source : bank.sources) check_source(source, gains, file);
}

std::string_view to_string(LayerUse use) noexcept {
  switch (use) {
    case LayerUse::kSliding:
      return "sliding";
    case LayerUse::kGlobal:
      return "global";
    case LayerUse::kBoth:
      break;
  }
  return "both";
}

LayerUse parse_layer_use(std::string_view name, const std::string& file) {
  for (const LayerUse use : {LayerUse::kBoth, LayerUse::kSliding, LayerUse::kGlobal}) {
    if (name == to_string(use)) return use;
  }
  refuse_bank(file, fmt::format("the layer kind \"{}\" is none of both, sliding, global",
                                name.substr(0, 40)));
}

Activation parse_activation_in(const std::string& file, std::string_view name) {
  try {
    return parse_activation(name);
  } catch (const Error& error) {
    throw Error(error.failure(), error.kind(), error.message(), {.file = file}, error.hint());
  }
}

std::vector<float> default_gains(std::uint64_t gains_per_cell) {
  if (gains_per_cell == 8) return {0.25F, 0.5F, 1, 2, 4, 8, 16, 32};
  if (gains_per_cell == 4) return {0.5F, 1, 2, 32};
  throw Error(Failure::kUsage, "bad-gains-per-cell",
              fmt::format("{} gains per cell are not possible", gains_per_cell), {},
              "4 and 8 are allowed");
}

}  // namespace contourfuse
