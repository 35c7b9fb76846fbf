// Layers whose deltas are made, and the calls that make them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contourfuse/neuron/generator.hpp"
#include "launch/kernel_call.hpp"

namespace contourfuse::test {

inline constexpr Role kRoles[] = {Role::kGate, Role::kUp, Role::kDown};

struct GeneratorCase {
  DeltaRecipe recipe;
  RecipeLayer layer;
};

inline SourceNeuron source(std::vector<float> gains, std::vector<float> coefficients) {
  return {.name = "s",
          .kind = LayerUse::kBoth,
          .function = PiecewiseLinear({}, {1}),
          .gains = std::move(gains),
          .coefficients = std::move(coefficients)};
}

inline RecipeLayer layer_of(std::uint64_t hidden, std::uint64_t intermediate, std::uint64_t gains) {
  return {.layer = 7,
          .kind = LayerKind::kGlobal,
          .hidden_size = hidden,
          .intermediate_size = intermediate,
          .cells = intermediate / (2 * gains)};
}

/// Three sources of 8 gains, coefficients of ±0 among them.
inline GeneratorCase eight_gains(std::uint64_t hidden, std::uint64_t intermediate,
                                 bool balance = true) {
  const std::vector<float> gains{0.25F, 0.5F, 1, 2, 4, 8, 16, 32};
  GeneratorCase c{.recipe = {.seed = 0x1122334455667788, .balance = balance},
                  .layer = layer_of(hidden, intermediate, 8)};
  c.recipe.bank.sources = {
      source(gains, {-1.078125F, -2.703125F, 0.0F, -0.447265625F, -0.2265625F, -0.04345703125F,
                     0.01361083984375F, 0.0062255859375F}),
      source(gains, {0.5F, 1.5F, -0.25F, 3.0F, -0.0078125F, 1.0F, 2.0F, -1.9921875F}),
      source(gains, {1.0F, -0.0F, 0.015625F, -1.5F, 2.5F, -3.0F, 0.75F, 1.25F})};
  return c;
}

/// Two sources of 3 gains, with scales.
inline GeneratorCase three_gains(std::uint64_t hidden, std::uint64_t intermediate) {
  const std::vector<float> gains{0.5F, 2, 32};
  GeneratorCase c{.recipe = {.seed = 3, .gate_scale = 2.5F, .down_scale = 0.1F},
                  .layer = layer_of(hidden, intermediate, 3)};
  c.recipe.bank.sources = {source(gains, {-3.34375F, 0.69140625F, 0.004150390625F}),
                           source(gains, {1.0F, -0.0F, -1.5F})};
  return c;
}

/// Neurons left over that are of no cell, and more cells than a basis has frames.
inline std::vector<GeneratorCase> generator_cases() {
  return {eight_gains(40, 16 * 85 + 7),
          eight_gains(64, 16 * 20),
          eight_gains(40, 16 * 50 + 15, false),
          three_gains(100, 6 * 130 + 5),
          three_gains(3, 6 * 9 + 1),
          three_gains(7, 5),
          three_gains(7, 7)};
}

inline std::vector<std::uint16_t> whole_matrix(const LayerGenerator& generator, Role role) {
  std::vector<std::uint16_t> out(generator.rows(role) * generator.cols(role));
  generator.generate(role, 0, out);
  return out;
}

/// `out` is aligned for bf16 elements.
inline device::GenerateCall generate_call(const LayerGenerator& generator, Role role,
                                          std::uint64_t first, std::uint64_t count, void* out) {
  const DeltaTables tables = generator.tables(role);
  return {.role = role == Role::kDown ? ScfRole::kDown : ScfRole::kGate,
          .tables = {.hidden = tables.hidden,
                     .intermediate = tables.intermediate,
                     .cells = tables.cells,
                     .gains = tables.gains,
                     .period = tables.period,
                     .sources = tables.sources,
                     .gate_table = tables.gate_table.data(),
                     .down_table = tables.down_table.data(),
                     .frames = tables.frames.data(),
                     .signs = tables.signs.data(),
                     .exponents = tables.exponents.data(),
                     .coefficients = tables.coefficients.data()},
          .first = first,
          .count = count,
          .out = static_cast<std::uint16_t*>(out)};
}

}  // namespace contourfuse::test
