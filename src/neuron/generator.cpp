// Tables of a layer, and ranges of its three matrices cut into rows, cells and bases.
#include "contourfuse/neuron/generator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "bank_rules.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/neuron/frames.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "neuron/generator_kernels.hpp"
#include "recipe_rules.hpp"

namespace contourfuse {
namespace {

// Buffers of a thread that calls generate(), kept between its calls.
struct Scratch {
  std::vector<std::uint32_t> indices{};  // per cell
  std::vector<std::uint16_t> row{};      // one frame vector, or the cells around part of a row
};

Scratch& scratch() {
  thread_local Scratch buffers;
  return buffers;
}

template <typename T>
T* at_least(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// The power of two that moves from down to up, so that |k| / 2^e is in [1, 2).
int balance_exponent(float k) { return k == 0 ? 0 : std::ilogb(k); }

}  // namespace

struct LayerGenerator::Tables {
  const GeneratorKernels* kernels = nullptr;
  std::size_t hidden = 0;                      // H
  std::size_t intermediate = 0;                // I
  std::size_t gains = 0;                       // K
  std::size_t cells = 0;                       // C
  std::uint32_t period = 0;                    // 4H
  std::vector<std::uint16_t> gate_table{};     // bf16 bits of T
  std::vector<float> down_table{};             // T′
  std::vector<std::uint16_t> input_signs{};    // per basis and column
  std::vector<std::uint16_t> output_signs{};   // per basis and row
  std::vector<std::uint32_t> frames{};         // r_j
  std::vector<std::uint32_t> output_frames{};  // r′_j
  std::vector<std::uint32_t> output_steps{};   // 2r′_j mod 4H
  std::vector<std::size_t> sources{};          // index into the bank, dealt in turn
  std::vector<int> gate_exponents{};           // per dealt source and gain, log2 g
  std::vector<int> up_exponents{};             // the same plus the balance
  std::vector<float> coefficients{};           // per cell and gain, balanced

  [[nodiscard]] std::size_t per_basis() const { return hidden - 1; }
  [[nodiscard]] std::size_t cell_neurons() const { return 2 * gains; }

  void deal_frames(const DeltaRecipe& recipe, const RecipeLayer& layer);
  void deal_sources(const DeltaRecipe& recipe, const RecipeLayer& layer);

  void rows_of_frames(Role role, std::uint64_t first, std::span<std::uint16_t> out) const;
  void rows_of_outputs(std::uint64_t first, std::span<std::uint16_t> out) const;
  void part_of_output_row(std::size_t row, std::size_t column, std::span<std::uint16_t> out) const;

  // Calls work(basis, first cell, end cell) for the runs of [begin, end) that share a basis.
  template <typename Work>
  void for_each_basis(std::size_t begin, std::size_t end, Work work) const {
    while (begin < end) {
      const std::size_t basis = begin / per_basis();
      const std::size_t stop = std::min(end, (basis + 1) * per_basis());
      work(basis, begin, stop);
      begin = stop;
    }
  }

  [[nodiscard]] DownRun down_run(std::size_t basis, std::size_t begin, std::size_t end,
                                 std::size_t row) const {
    return DownRun{.table = down_table.data(),
                   .period = period,
                   .steps = output_steps.data() + begin,
                   .coefficients = coefficients.data() + begin * gains,
                   .cells = end - begin,
                   .gains = gains,
                   .signs = output_signs.data() + basis * hidden + row,
                   .rows = 1,
                   .stride = 0};
  }
};

void LayerGenerator::Tables::deal_frames(const DeltaRecipe& recipe, const RecipeLayer& layer) {
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for_each_basis(0, cells, [&](std::size_t basis, std::size_t, std::size_t) {
    StreamPlace place{.seed = recipe.seed,
                      .layer = static_cast<std::uint32_t>(layer.layer),
                      .basis = static_cast<std::uint32_t>(basis)};
    const auto at = [&](FrameStream stream) {
      place.stream = stream;
      return place;
    };
    append(input_signs, make_sign_masks(hidden, at(FrameStream::kInputSigns)));
    append(output_signs, make_sign_masks(hidden, at(FrameStream::kOutputSigns)));
    append(frames, make_permutation(hidden, at(FrameStream::kInputPermutation)));
    append(output_frames, make_permutation(hidden, at(FrameStream::kOutputPermutation)));
  });
  frames.resize(cells);
  output_frames.resize(cells);
  // 2r′ < 2H, so no remainder is to be taken.
  for (const std::uint32_t frame : output_frames) output_steps.push_back(2 * frame);
}

void LayerGenerator::Tables::deal_sources(const DeltaRecipe& recipe, const RecipeLayer& layer) {
  std::vector<float> dealt;
  for (std::size_t s = 0; s < recipe.bank.sources.size(); ++s) {
    const SourceNeuron& source = recipe.bank.sources[s];
    if (!is_dealt_to(source.kind, layer.kind)) continue;
    sources.push_back(s);
    for (std::size_t p = 0; p < gains; ++p) {
      const float k = source.coefficients[p];
      const int moved = recipe.balance ? balance_exponent(k) : 0;
      const int gain = std::ilogb(source.gains[p]);
      gate_exponents.push_back(gain);
      up_exponents.push_back(gain + moved);
      dealt.push_back(std::ldexp(k, -moved));
    }
  }
  coefficients.reserve(cells * gains);
  for (std::size_t j = 0; j < cells; ++j) {
    const auto* first = dealt.data() + j % sources.size() * gains;
    coefficients.insert(coefficients.end(), first, first + gains);
  }
}

// Gate and up: a frame vector per cell, scaled into its 2K rows.
void LayerGenerator::Tables::rows_of_frames(Role role, std::uint64_t first,
                                            std::span<std::uint16_t> out) const {
  const std::vector<int>& exponents = role == Role::kGate ? gate_exponents : up_exponents;
  std::size_t row = first / hidden;
  std::size_t column = first % hidden;
  while (!out.empty()) {
    const std::size_t cell = row / cell_neurons();
    if (cell >= cells) {
      std::fill(out.begin(), out.end(), std::uint16_t{0});
      return;
    }
    const std::size_t here =
        std::min(out.size(), ((cell + 1) * cell_neurons() - row) * hidden - column);
    const bool one_row = column + here <= hidden;
    const std::size_t from = one_row ? column : 0;
    const std::size_t count = one_row ? here : hidden;
    std::uint16_t* base = at_least(scratch().row, count);
    kernels->frame_row(gate_table.data(), period, frames[cell], from, count,
                       input_signs.data() + cell / per_basis() * hidden, base);
    const int* exponent = exponents.data() + cell % sources.size() * gains;
    for (std::size_t done = 0; done < here; ++row) {
      const std::size_t part = std::min(here - done, hidden - column);
      const std::size_t neuron = row % cell_neurons();
      kernels->scaled_row(base + (column - from), part, exponent[neuron / 2], neuron % 2 != 0,
                          out.data() + done);
      done += part;
      column = 0;
    }
    out = out.subspan(here);
  }
}

void LayerGenerator::Tables::part_of_output_row(std::size_t row, std::size_t column,
                                                std::span<std::uint16_t> out) const {
  const std::size_t begin = std::min(column / cell_neurons(), cells);
  const std::size_t end =
      std::min((column + out.size() + cell_neurons() - 1) / cell_neurons(), cells);
  std::size_t filled = 0;
  if (begin < end) {
    std::uint32_t* indices = at_least(scratch().indices, cells);
    std::uint16_t* around = at_least(scratch().row, (end - begin) * cell_neurons());
    kernels->start_indices(output_frames.data() + begin, end - begin, 2 * row + 1, period, indices);
    for_each_basis(begin, end, [&](std::size_t basis, std::size_t from, std::size_t to) {
      kernels->down_rows(down_run(basis, from, to, row), indices + (from - begin),
                         around + (from - begin) * cell_neurons());
    });
    const std::size_t skip = column - begin * cell_neurons();
    filled = std::min(out.size(), (end - begin) * cell_neurons() - skip);
    std::copy_n(around + skip, filled, out.data());
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(filled), out.end(), std::uint16_t{0});
}

// Down: whole rows keep every cell's index from one row to the next.
void LayerGenerator::Tables::rows_of_outputs(std::uint64_t first,
                                             std::span<std::uint16_t> out) const {
  std::size_t row = first / intermediate;
  const std::size_t column = first % intermediate;
  if (column != 0 || out.size() < intermediate) {
    const std::size_t part = std::min(out.size(), intermediate - column);
    part_of_output_row(row, column, out.first(part));
    out = out.subspan(part);
    ++row;
  }
  std::size_t rows = out.size() / intermediate;
  if (rows > 0) {
    const std::size_t neurons = cells * cell_neurons();
    std::uint32_t* indices = at_least(scratch().indices, cells);
    kernels->start_indices(output_frames.data(), cells, 2 * row + 1, period, indices);
    while (rows > 0) {
      const std::size_t now = rows >= kRowsAtOnce ? std::size_t{kRowsAtOnce} : 1;
      for_each_basis(0, cells, [&](std::size_t basis, std::size_t from, std::size_t to) {
        DownRun run = down_run(basis, from, to, row);
        run.rows = now;
        run.stride = intermediate;
        kernels->down_rows(run, indices + from, out.data() + from * cell_neurons());
      });
      for (std::size_t r = 0; r < now; ++r) {
        std::fill_n(out.data() + r * intermediate + neurons, intermediate - neurons,
                    std::uint16_t{0});
      }
      out = out.subspan(now * intermediate);
      row += now;
      rows -= now;
    }
  }
  if (!out.empty()) part_of_output_row(row, 0, out);
}

LayerGenerator::LayerGenerator(const DeltaRecipe& recipe, const RecipeLayer& layer)
    : LayerGenerator(recipe, layer, generator_kernels()) {}

LayerGenerator::LayerGenerator(const DeltaRecipe& recipe, const RecipeLayer& layer,
                               const GeneratorKernels& kernels) {
  check_bank(recipe.bank, {});
  check_layer(recipe.bank, layer, {});
  if (!is_allowed_scale(recipe.gate_scale) || !is_allowed_scale(recipe.down_scale)) {
    throw Error(Failure::kBadInput, "bad-recipe",
                fmt::format("scales {} and {} must be between {} and {}", recipe.gate_scale,
                            recipe.down_scale, 1 / kMaxScale, kMaxScale));
  }
  auto tables = std::make_unique<Tables>();
  tables->kernels = &kernels;
  tables->hidden = layer.hidden_size;
  tables->intermediate = layer.intermediate_size;
  tables->gains = recipe.bank.gains_per_cell();
  tables->cells = layer.intermediate_size / tables->cell_neurons();
  tables->period = static_cast<std::uint32_t>(4 * layer.hidden_size);
  for (const float value : make_frame_table(layer.hidden_size, recipe.gate_scale)) {
    tables->gate_table.push_back(Bf16::narrow(value));
  }
  tables->down_table = make_frame_table(layer.hidden_size, recipe.down_scale);
  tables->deal_frames(recipe, layer);
  tables->deal_sources(recipe, layer);
  tables_ = std::move(tables);
}

LayerGenerator::LayerGenerator(LayerGenerator&&) noexcept = default;
LayerGenerator& LayerGenerator::operator=(LayerGenerator&&) noexcept = default;
LayerGenerator::~LayerGenerator() = default;

void LayerGenerator::generate(Role role, std::uint64_t first, std::span<std::uint16_t> out) const {
  if (out.empty()) return;
  if (role == Role::kDown) {
    tables_->rows_of_outputs(first, out);
  } else {
    tables_->rows_of_frames(role, first, out);
  }
}

std::uint64_t LayerGenerator::rows(Role role) const noexcept {
  return role == Role::kDown ? tables_->hidden : tables_->intermediate;
}

std::uint64_t LayerGenerator::cols(Role role) const noexcept {
  return role == Role::kDown ? tables_->intermediate : tables_->hidden;
}

DeltaTables LayerGenerator::tables(Role role) const noexcept {
  const bool down = role == Role::kDown;
  const Tables& t = *tables_;
  return DeltaTables{.hidden = t.hidden,
                     .intermediate = t.intermediate,
                     .cells = t.cells,
                     .gains = static_cast<std::uint32_t>(t.gains),
                     .period = t.period,
                     .sources = static_cast<std::uint32_t>(t.sources.size()),
                     .gate_table = t.gate_table,
                     .down_table = t.down_table,
                     .frames = down ? t.output_frames : t.frames,
                     .signs = down ? t.output_signs : t.input_signs,
                     .exponents = role == Role::kUp ? t.up_exponents : t.gate_exponents,
                     .coefficients = t.coefficients};
}

CellInfo LayerGenerator::cell(std::uint64_t index) const {
  if (index >= tables_->cells) {
    throw Error(Failure::kBadInput, "unknown-cell",
                fmt::format("cell {} of {}", index, tables_->cells));
  }
  return CellInfo{.first_neuron = index * tables_->cell_neurons(),
                  .neurons = tables_->cell_neurons(),
                  .source = tables_->sources[index % tables_->sources.size()],
                  .frame = tables_->frames[index],
                  .output_frame = tables_->output_frames[index]};
}

}  // namespace contourfuse
