// Tiles of the matrices through the MLP.
#include "sweep/output_pass.hpp"

#include <tbb/parallel_for.h>

#include <array>

namespace contourfuse {

OutputPass::OutputPass(const OutputWork& work, std::span<const float> gammas,
                       std::span<const float> alphas)
    : work_(work),
      gammas_(gammas),
      alphas_(alphas),
      base_sum_(work.products.sum(work.tokens(), work.hidden())) {
  const std::uint64_t rows = gammas.size() * work.tokens();
  if (work.gate.edited()) gate_sum_ = work.products.sum(rows, work.hidden());
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    down_sums_.push_back(work.products.sum(rows, work.hidden()));
  }
  gate_output_.resize(work.tokens() * kTileNeurons);
  up_output_.resize(gate_output_.size());
  if (work.gate.edited()) {
    hidden_change_.resize(rows * kTileNeurons);
    edited_hidden_.resize(hidden_change_.size());
  }
}

// A tile of gate and up is some rows, of down some columns.
void OutputPass::read(const OutputRows& rows, std::uint64_t first, std::uint64_t count,
                      Tile& tile) const {
  const bool by_rows = &rows != &work_.down;
  tile.rows = by_rows ? count : rows.matrix().rows;
  tile.cols = by_rows ? rows.matrix().cols : count;
  tile.weight.resize(tile.rows * tile.cols);
  tile.delta.resize(rows.edited() ? tile.weight.size() : 0);
  work_.arena.execute([&] {
    tbb::parallel_for(std::uint64_t{0}, tile.rows, [&](std::uint64_t r) {
      const RowPart part{by_rows ? first + r : r, by_rows ? 0 : first, tile.cols};
      rows.read_weight(part, tile.weight.data() + r * tile.cols);
      if (rows.edited()) rows.read_delta(part, tile.delta.data() + r * tile.cols);
    });
  });
}

FloatMatrix OutputPass::change(const OutputRows& rows, std::uint64_t first, const Tile& tile,
                               float parameter) {
  const bool by_rows = &rows != &work_.down;
  change_.resize(tile.weight.size());
  work_.arena.execute([&] {
    tbb::parallel_for(std::uint64_t{0}, tile.rows, [&](std::uint64_t r) {
      const RowPart part{by_rows ? first + r : r, by_rows ? 0 : first, tile.cols};
      const std::uint64_t at = r * tile.cols;
      rows.change(part, tile.weight.data() + at, tile.delta.data() + at, parameter,
                  change_.data() + at);
    });
  });
  return {change_.data(), tile.rows, tile.cols, tile.cols};
}

void OutputPass::activate_tile(std::uint64_t count) {
  const OutputKernels& kernels = output_kernels();
  const Activation activation = work_.job.activation;
  work_.arena.execute([&] {
    tbb::parallel_for(std::uint64_t{0}, work_.tokens(), [&](std::uint64_t token) {
      std::array<double, kTileNeurons> base;
      std::array<double, kTileNeurons> edited;
      float* const gate = gate_output_.data() + token * count;
      const float* const up = up_output_.data() + token * count;
      kernels.to_double(gate, count, base.data());
      activate(activation, std::span(base).first(count));
      if (work_.gate.edited()) {
        for (std::size_t g = 0; g < gammas_.size(); ++g) {
          const std::uint64_t at = (g * work_.tokens() + token) * count;
          kernels.add_in_double(gate, hidden_change_.data() + at, count, edited.data());
          activate(activation, std::span(edited).first(count));
          kernels.gate_change(base.data(), edited.data(), up, count, hidden_change_.data() + at,
                              edited_hidden_.data() + at);
        }
      }
      kernels.gate_hidden(base.data(), up, count, gate);
    });
  });
}

void OutputPass::add_tile(std::uint64_t first, std::uint64_t count) {
  const std::uint64_t tokens = work_.tokens();
  const std::uint64_t rows = gammas_.size() * tokens;
  const FloatMatrix x{work_.job.probe.values.data(), tokens, work_.hidden(), work_.hidden()};
  read(work_.gate, first, count, gate_);
  read(work_.up, first, count, up_);
  read(work_.down, first, count, down_);
  work_.products.multiply(x, gate_.matrix(), std::span(gate_output_).first(tokens * count));
  work_.products.multiply(x, up_.matrix(), std::span(up_output_).first(tokens * count));
  if (work_.gate.edited()) {
    for (std::size_t g = 0; g < gammas_.size(); ++g) {
      work_.products.multiply(
          x, change(work_.gate, first, gate_, gammas_[g]),
          std::span(hidden_change_).subspan(g * tokens * count, tokens * count));
    }
  }
  activate_tile(count);

  const FloatMatrix hidden{gate_output_.data(), tokens, count, count};
  base_sum_->add(hidden, down_.matrix());
  if (gate_sum_) gate_sum_->add({hidden_change_.data(), rows, count, count}, down_.matrix());
  const FloatMatrix edited =
      gate_sum_ ? FloatMatrix{edited_hidden_.data(), rows, count, count} : hidden;
  for (std::size_t a = 0; a < alphas_.size(); ++a) {
    down_sums_[a]->add(edited, change(work_.down, first, down_, alphas_[a]));
  }
}

std::vector<float> OutputPass::base() const {
  std::vector<float> out(work_.tokens() * work_.hidden());
  base_sum_->read(out);
  return out;
}

std::vector<float> OutputPass::gate_change() const {
  std::vector<float> out(gammas_.size() * work_.tokens() * work_.hidden());
  if (gate_sum_) gate_sum_->read(out);
  return out;
}

std::vector<float> OutputPass::down_change(std::size_t alpha) const {
  std::vector<float> out(gammas_.size() * work_.tokens() * work_.hidden());
  if (alpha < down_sums_.size()) down_sums_[alpha]->read(out);
  return out;
}

std::uint64_t pass_bytes(const OutputWork& work, std::uint64_t alphas) noexcept {
  return sizeof(float) * work.tokens() * (work.hidden() * (alphas + 3) + 2 * kTileNeurons);
}

}  // namespace contourfuse
