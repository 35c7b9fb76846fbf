// Generated matrices: golden bits, an element-wise reference, symmetry, and what they compute.
#include "contourfuse/neuron/generator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <random>
#include <thread>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/neuron/frames.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "neuron/generator_kernels.hpp"

namespace contourfuse {
namespace {

using Bits = std::vector<std::uint16_t>;

constexpr Role kRoles[] = {Role::kGate, Role::kUp, Role::kDown};
const std::vector<float> kGains8{0.25F, 0.5F, 1, 2, 4, 8, 16, 32};
const std::vector<float> kGains4{0.5F, 1, 2, 32};

SourceNeuron source(std::vector<float> gains, std::vector<float> coefficients,
                    LayerUse use = LayerUse::kBoth) {
  return SourceNeuron{.name = "s",
                      .kind = use,
                      .function = PiecewiseLinear({}, {1}),
                      .gains = std::move(gains),
                      .coefficients = std::move(coefficients)};
}

const std::vector<float> kA{-1.078125F,        -2.703125F,      0.0F,
                            -0.447265625F,     -0.2265625F,     -0.04345703125F,
                            0.01361083984375F, 0.0062255859375F};
const std::vector<float> kB{0.5F, 1.5F, -0.25F, 3.0F, -0.0078125F, 1.0F, 2.0F, -1.9921875F};

struct Case {
  DeltaRecipe recipe;
  RecipeLayer layer;
};

RecipeLayer make_layer(std::uint64_t number, std::uint64_t h, std::uint64_t i, std::uint64_t k) {
  return {.layer = number,
          .kind = LayerKind::kGlobal,
          .hidden_size = h,
          .intermediate_size = i,
          .cells = i / (2 * k)};
}

Case two_sources_8(std::uint64_t h, std::uint64_t i, bool balance = true) {
  Case c{.recipe = {.seed = 0x1122334455667788, .balance = balance},
         .layer = make_layer(7, h, i, 8)};
  c.recipe.bank.sources = {source(kGains8, kA), source(kGains8, kB)};
  return c;
}

Case two_sources_4(std::uint64_t h, std::uint64_t i) {
  Case c{.recipe = {.seed = 3, .down_scale = 0.1F}, .layer = make_layer(0, h, i, 4)};
  c.recipe.bank.sources = {source(kGains4, {-3.34375F, -0.4296875F, 0.69140625F, 0.004150390625F}),
                           source(kGains4, {1.0F, -0.0F, 0.015625F, -1.5F})};
  return c;
}

Bits whole(const LayerGenerator& generator, Role role) {
  Bits out(generator.rows(role) * generator.cols(role));
  generator.generate(role, 0, out);
  return out;
}

// FNV-1a of the bits, low byte first.
std::uint64_t fnv(const Bits& bits) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const std::uint16_t value : bits) {
    for (const unsigned byte : {value & 0xFFU, static_cast<unsigned>(value) >> 8}) {
      hash = (hash ^ byte) * 0x100000001B3;
    }
  }
  return hash;
}

// One element from the formula, in f64; everything but the last rounding is exact.
std::uint16_t reference(const Case& c, Role role, std::uint64_t row, std::uint64_t column) {
  const std::uint64_t h = c.layer.hidden_size;
  const std::uint64_t k = c.recipe.bank.gains_per_cell();
  const bool down = role == Role::kDown;
  const std::uint64_t neuron = down ? column : row;
  const std::uint64_t place = down ? row : column;
  const std::uint64_t cell = neuron / (2 * k);
  if (cell >= c.layer.cells) return 0;
  const std::uint64_t p = neuron / 2 % k;
  StreamPlace stream{.seed = c.recipe.seed,
                     .layer = static_cast<std::uint32_t>(c.layer.layer),
                     .stream = down ? FrameStream::kOutputSigns : FrameStream::kInputSigns,
                     .basis = static_cast<std::uint32_t>(cell / (h - 1))};
  const bool minus = make_sign_masks(h, stream)[place] != 0;
  stream.stream = down ? FrameStream::kOutputPermutation : FrameStream::kInputPermutation;
  const std::uint64_t r = make_permutation(h, stream)[cell % (h - 1)];
  const float scale = down ? c.recipe.down_scale : c.recipe.gate_scale;
  const float t = make_frame_table(h, scale)[(2 * place + 1) * r % (4 * h)];

  std::vector<const SourceNeuron*> fitting;
  for (const SourceNeuron& s : c.recipe.bank.sources) {
    const LayerUse own =
        c.layer.kind == LayerKind::kGlobal ? LayerUse::kGlobal : LayerUse::kSliding;
    if (s.kind == LayerUse::kBoth || s.kind == own) fitting.push_back(&s);
  }
  const SourceNeuron& s = *fitting[cell % fitting.size()];
  const auto coefficient = static_cast<double>(s.coefficients[p]);
  int moved = 0;
  if (c.recipe.balance && coefficient != 0) moved = std::ilogb(coefficient);
  double value = static_cast<double>(t);
  if (down) {
    value *= std::ldexp(coefficient, -moved);
  } else {
    value *= static_cast<double>(s.gains[p]) * (role == Role::kUp ? std::ldexp(1.0, moved) : 1.0);
  }
  if (minus) value = -value;
  if (neuron % 2 != 0) value = -value;
  return Bf16::narrow(static_cast<float>(value));
}

struct Golden {
  Case c;
  std::uint64_t gate, up, down;
};

// Computed by a Python program of its own from the published formula (integers and doubles, no code
// shared with this one).
TEST(Generator, BitsAreTheGoldenOnesAtEveryLevel) {
  Case raw{.recipe = {.seed = 42, .gate_scale = 0.75F, .down_scale = 3.0F, .balance = false},
           .layer = make_layer(4294967295U, 33, 320, 8)};
  raw.recipe.bank.sources = {source(kGains8, kB), source(kGains8, kA)};
  const Golden goldens[] = {
      {two_sources_8(24, 645), 0xF7D25F9F9C57BD95, 0xCD904356EC8EDB5D, 0xCD17B6AFF3C5EFFD},
      {raw, 0xC061849EFF451E95, 0xC061849EFF451E95, 0xA8C0642F8F372E51},
      {two_sources_4(40, 363), 0xF0BC81B17005D58D, 0x6DD148B05AF4A9D5, 0x0C2FBFFA6C679A6D},
  };
  for (const GeneratorKernels* kernels : all_generator_kernels()) {
    for (const Golden& golden : goldens) {
      const LayerGenerator generator(golden.c.recipe, golden.c.layer, *kernels);
      EXPECT_EQ(fnv(whole(generator, Role::kGate)), golden.gate);
      EXPECT_EQ(fnv(whole(generator, Role::kUp)), golden.up);
      EXPECT_EQ(fnv(whole(generator, Role::kDown)), golden.down);
    }
  }
  const LayerGenerator first(goldens[0].c.recipe, goldens[0].c.layer);
  EXPECT_EQ(whole(first, Role::kDown)[3 * 645], 0x3DA5);
  EXPECT_EQ(whole(first, Role::kDown)[3 * 645 + 4], 0x8000);  // a coefficient of zero keeps signs
  EXPECT_EQ(whole(first, Role::kGate)[5 * 24], 0xBE43);
}

TEST(Generator, ElementsFollowTheFormula) {
  Case mixed = two_sources_8(12, 197);  // 12 cells past H − 1 = 11, five neurons left over
  mixed.layer.kind = LayerKind::kSliding;
  mixed.recipe.bank.sources.push_back(source(kGains8, kB, LayerUse::kGlobal));
  mixed.recipe.bank.sources.push_back(source(kGains8, kA, LayerUse::kSliding));
  Case three = two_sources_4(6, 64);
  three.recipe.bank.sources = {source({0.5F, 1, 8}, {1.5F, -0.25F, 3.0F})};
  three.layer.cells = 64 / 6;
  for (const Case& c : {mixed, two_sources_4(9, 37), three, two_sources_8(16, 15)}) {
    for (const GeneratorKernels* kernels : all_generator_kernels()) {
      const LayerGenerator generator(c.recipe, c.layer, *kernels);
      for (const Role role : kRoles) {
        const Bits bits = whole(generator, role);
        const std::uint64_t cols = generator.cols(role);
        for (std::size_t i = 0; i < bits.size(); ++i) {
          ASSERT_EQ(bits[i], reference(c, role, i / cols, i % cols))
              << to_string(role) << " element " << i;
        }
      }
    }
  }
}

TEST(Generator, AnyRangeGivesTheSameBits) {
  const Case cases[] = {two_sources_8(70, 1031), two_sources_8(70, 1031, false),
                        two_sources_4(33, 407), two_sources_8(600, 640)};
  std::mt19937_64 random(20250101);
  for (const Case& c : cases) {
    for (const GeneratorKernels* kernels : all_generator_kernels()) {
      const LayerGenerator generator(c.recipe, c.layer, *kernels);
      for (const Role role : kRoles) {
        const Bits all = whole(LayerGenerator(c.recipe, c.layer), role);
        for (int trial = 0; trial < 60; ++trial) {
          const std::uint64_t first = random() % all.size();
          const std::uint64_t most = trial % 2 == 0 ? 3 * generator.cols(role) : all.size();
          const std::uint64_t count =
              1 + random() % std::min<std::uint64_t>(all.size() - first, most);
          Bits part(count + 32, 0xABCD);
          generator.generate(role, first, std::span(part).subspan(16, count));
          ASSERT_TRUE(std::equal(part.begin() + 16, part.end() - 16,
                                 all.begin() + static_cast<std::ptrdiff_t>(first)))
              << to_string(role) << " from " << first << ", " << count << " elements";
          for (std::size_t i = 0; i < 16; ++i) {
            ASSERT_EQ(part[i], 0xABCD);
            ASSERT_EQ(part[part.size() - 1 - i], 0xABCD);
          }
        }
      }
    }
  }
}

// 4H² / 2 past 2^31 takes the other way to the first index of a row.
TEST(Generator, WideLayersStartRowsExactly) {
  const std::uint64_t h = 70001;
  const Case c = two_sources_8(h, 48);
  for (const GeneratorKernels* kernels : all_generator_kernels()) {
    const LayerGenerator generator(c.recipe, c.layer, *kernels);
    Bits row(96);
    for (const std::uint64_t at : {std::uint64_t{0}, h / 2, h - 2}) {
      generator.generate(Role::kDown, at * 48, row);
      for (const std::size_t i : {std::size_t{0}, std::size_t{17}, std::size_t{95}}) {
        EXPECT_EQ(row[i], reference(c, Role::kDown, at + i / 48, i % 48)) << at << " " << i;
      }
    }
  }
}

TEST(Generator, ThreadsShareOneInstance) {
  const Case c = two_sources_8(64, 1030);
  const LayerGenerator generator(c.recipe, c.layer);
  const Bits all = whole(generator, Role::kDown);
  std::vector<Bits> parts(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < parts.size(); ++t) {
    threads.emplace_back([&, t] {
      parts[t].resize(all.size() / 4);
      for (int repeat = 0; repeat < 8; ++repeat) {
        generator.generate(Role::kDown, t * parts[t].size(), parts[t]);
        Bits gate(999);
        generator.generate(Role::kGate, 100 * t + 1, gate);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < parts.size(); ++t) {
    EXPECT_TRUE(std::equal(parts[t].begin(), parts[t].end(),
                           all.begin() + static_cast<std::ptrdiff_t>(t * parts[t].size())));
  }
}

double to_f64(std::uint16_t bits) { return static_cast<double>(Bf16::widen(bits)); }

TEST(Generator, SumsOverNeuronsAreExactlyZero) {
  for (const Case& c : {two_sources_8(96, 1024), two_sources_8(96, 2048), two_sources_4(50, 411)}) {
    const LayerGenerator generator(c.recipe, c.layer);
    const std::uint64_t h = c.layer.hidden_size;
    const std::uint64_t width = c.layer.intermediate_size;
    for (const Role role : kRoles) {
      const Bits bits = whole(generator, role);
      bool any = false;
      for (std::uint64_t i = 0; i < h; ++i) {
        double sum = 0;
        for (std::uint64_t n = 0; n < width; ++n) {
          const std::uint16_t element = bits[role == Role::kDown ? i * width + n : n * h + i];
          any = any || (element & 0x7FFFU) != 0;
          sum += to_f64(element);
        }
        ASSERT_EQ(sum, 0) << to_string(role) << " " << i;
      }
      EXPECT_TRUE(any);
      // Not only the sums: neighbours are mirrors, bit by bit.
      for (std::uint64_t n = 0; n + 1 < 2 * c.recipe.bank.gains_per_cell() * c.layer.cells;
           n += 2) {
        for (std::uint64_t i = 0; i < h; ++i) {
          const std::size_t at = role == Role::kDown ? i * width + n : n * h + i;
          const std::size_t mirror = role == Role::kDown ? at + 1 : at + h;
          ASSERT_EQ(bits[at] ^ bits[mirror], 0x8000);
        }
      }
    }
  }
}

TEST(Generator, BalanceKeepsTheProductOfUpAndDown) {
  const Case balanced = two_sources_8(48, 160);
  const Case plain = two_sources_8(48, 160, false);
  const LayerGenerator a(balanced.recipe, balanced.layer);
  const LayerGenerator b(plain.recipe, plain.layer);
  EXPECT_EQ(whole(a, Role::kGate), whole(b, Role::kGate));
  EXPECT_EQ(whole(b, Role::kGate), whole(b, Role::kUp));
  const Bits up = whole(a, Role::kUp);
  const Bits down = whole(a, Role::kDown);
  const Bits plain_up = whole(b, Role::kUp);
  const Bits plain_down = whole(b, Role::kDown);
  double largest = 0;
  for (std::uint64_t n = 0; n < 160; ++n) {
    for (std::uint64_t i = 0; i < 48; ++i) {
      ASSERT_EQ(to_f64(up[n * 48]) * to_f64(down[i * 160 + n]),
                to_f64(plain_up[n * 48]) * to_f64(plain_down[i * 160 + n]));
      largest = std::max(largest, std::fabs(to_f64(down[i * 160 + n])));
    }
  }
  EXPECT_LE(largest, 2 * std::sqrt(2.0 / 48));  // |k| < 2
}

// c_r without any rounding.
double frame_element(std::uint64_t h, std::uint64_t r, std::uint64_t i, bool minus) {
  const double wave = std::cos(std::numbers::pi * static_cast<double>((2 * i + 1) * r) /
                               (2.0 * static_cast<double>(h)));
  return (minus ? -1 : 1) * std::sqrt(2.0 / static_cast<double>(h)) * wave;
}

// ⟨o_j, MLP_Δ(x)⟩ against F(c_j·x). Only storage rounding is between them: directions are off by
// 2^-9 relative (‖ĉ − c‖ about 1.1e-3), coefficients by 2^-9 at most and, worst for frames of few
// distinct values, all alike, amplified by the cancellation Σ|k ψ| / |F|, at most 14 in the default
// banks: 8 % for any cell, and 3 % in the mean where the roundings are spread.
void expect_functions(Activation activation, std::uint64_t gains, bool balance) {
  const std::uint64_t h = 384;
  const std::uint64_t cells = 48;
  Case c{.recipe = {.seed = 99, .bank = make_default_bank(activation, gains), .balance = balance},
         .layer = make_layer(5, h, 2 * gains * cells + 3, gains)};
  const LayerGenerator generator(c.recipe, c.layer);
  const Bits gate = whole(generator, Role::kGate);
  const Bits up = whole(generator, Role::kUp);
  const Bits down = whole(generator, Role::kDown);
  const std::uint64_t width = c.layer.intermediate_size;
  StreamPlace place{.seed = 99, .layer = 5, .stream = FrameStream::kInputSigns};
  const auto input_signs = make_sign_masks(h, place);
  place.stream = FrameStream::kOutputSigns;
  const auto output_signs = make_sign_masks(h, place);

  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::vector<double> error(cells);
  std::vector<double> energy(cells);
  std::vector<double> mean(cells);
  constexpr int kSamples = 96;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<double> x(h);
    for (double& value : x) value = normal(random);
    std::vector<double> y(h);
    for (std::uint64_t n = 0; n < width; ++n) {
      double a = 0;
      double b = 0;
      for (std::uint64_t i = 0; i < h; ++i) {
        a += to_f64(gate[n * h + i]) * x[i];
        b += to_f64(up[n * h + i]) * x[i];
      }
      const double inner = activate(activation, a) * b;
      for (std::uint64_t i = 0; i < h; ++i) y[i] += to_f64(down[i * width + n]) * inner;
    }
    for (std::uint64_t j = 0; j < cells; ++j) {
      const CellInfo cell = generator.cell(j);
      double z = 0;
      double value = 0;
      for (std::uint64_t i = 0; i < h; ++i) {
        z += frame_element(h, cell.frame, i, input_signs[i] != 0) * x[i];
        value += frame_element(h, cell.output_frame, i, output_signs[i] != 0) * y[i];
      }
      const SourceNeuron& s = c.recipe.bank.sources[cell.source];
      double wanted = 0;
      for (std::size_t p = 0; p < gains; ++p) {
        wanted += static_cast<double>(s.coefficients[p]) *
                  mirrored_pair(activation, static_cast<double>(s.gains[p]), z);
      }
      error[j] += (value - wanted) * (value - wanted);
      energy[j] += wanted * wanted;
    }
  }
  double total = 0;
  for (std::uint64_t j = 0; j < cells; ++j) {
    const double relative = std::sqrt(error[j] / energy[j]);
    EXPECT_LE(relative, 0.08) << "cell " << j;
    total += relative / static_cast<double>(cells);
  }
  EXPECT_LE(total, 0.03);
  EXPECT_GT(total, 0.0001);  // something was stored with rounding
}

TEST(Generator, StoredLayerComputesItsSourceNeurons) {
  expect_functions(Activation::kGeluTanh, 8, true);
  expect_functions(Activation::kSilu, 8, false);
  expect_functions(Activation::kGeluTanh, 4, true);
}

TEST(Generator, CellsSayWhatTheyRealise) {
  Case c = two_sources_8(24, 645);
  c.recipe.bank.sources.insert(c.recipe.bank.sources.begin(),
                               source(kGains8, kA, LayerUse::kSliding));
  const LayerGenerator generator(c.recipe, c.layer);
  EXPECT_EQ(generator.rows(Role::kDown), 24U);
  EXPECT_EQ(generator.cols(Role::kDown), 645U);
  EXPECT_EQ(generator.rows(Role::kGate), 645U);
  EXPECT_EQ(generator.cell(3).first_neuron, 48U);
  EXPECT_EQ(generator.cell(3).neurons, 16U);
  EXPECT_EQ(generator.cell(0).source, 1U);
  EXPECT_EQ(generator.cell(3).source, 2U);
  EXPECT_THROW(static_cast<void>(generator.cell(40)), Error);
}

TEST(Generator, RefusesWhatItCannotMakeExactly) {
  Case c = two_sources_8(24, 645);
  const auto refused = [&](const char* what) {
    EXPECT_THROW(LayerGenerator(c.recipe, c.layer), Error) << what;
    c = two_sources_8(24, 645);
  };
  c.recipe.bank.sources[0].coefficients[0] = 0.1F;
  refused("no bf16 value");
  c.recipe.bank.sources[0].gains[0] = 0.3F;
  refused("no power of two");
  c.recipe.gate_scale = 0;
  refused("zero scale");
  c.layer.hidden_size = 1;
  refused("no frame");
  c.layer.hidden_size = std::uint64_t{1} << 40;
  refused("too wide");
  for (SourceNeuron& s : c.recipe.bank.sources) s.kind = LayerUse::kSliding;
  refused("no source for the kind");
}

}  // namespace
}  // namespace contourfuse
