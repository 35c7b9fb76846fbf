// One reading of an MLP's matrices: its output and the parts of its change, for some of the grid.
#pragma once

#include <tbb/task_arena.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "contourfuse/sweep/output_grid.hpp"
#include "contourfuse/sweep/products.hpp"
#include "sweep/output_rows.hpp"

namespace contourfuse {

/// The MLP's matrices and where to work on them.
struct OutputWork {
  const OutputJob& job;
  OutputRows gate;
  OutputRows up;
  OutputRows down;
  Products& products;
  tbb::task_arena& arena;

  [[nodiscard]] std::uint64_t hidden() const noexcept { return gate.matrix().cols; }
  [[nodiscard]] std::uint64_t intermediate() const noexcept { return gate.matrix().rows; }
  [[nodiscard]] std::uint64_t tokens() const noexcept { return job.probe.tokens; }
};

/// Neurons of a tile: of down, 1 KiB of each bf16 row.
inline constexpr std::uint64_t kTileNeurons = 512;

/// With z = X·gateᵀ, u = X·upᵀ, and for every γ Z = X·Cᵀ, C what the edit adds to gate, and
/// D = (act(z + Z) − act(z))∘u:
/// y = (act(z)∘u)·downᵀ, e = D·downᵀ, and for every edit of down q = (act(z)∘u + D)·Cᵀ.
class OutputPass {
 public:
  /// One γ of `gammas` at least, whatever it is if gate is not edited; no α if down is not edited,
  /// else one, whatever it is unless the sweep is exact.
  OutputPass(const OutputWork& work, std::span<const float> gammas, std::span<const float> alphas);

  /// Neurons [first, first + count), at most kTileNeurons of them.
  void add_tile(std::uint64_t first, std::uint64_t count);

  /// [tokens, H]
  [[nodiscard]] std::vector<float> base() const;
  /// [gammas, tokens, H]
  [[nodiscard]] std::vector<float> gate_change() const;
  [[nodiscard]] std::vector<float> down_change(std::size_t alpha) const;

 private:
  /// A tile of a matrix: rows × cols, the rows without gaps.
  struct Tile {
    std::uint64_t rows = 0;
    std::uint64_t cols = 0;
    std::vector<float> weight{};
    std::vector<float> delta{};
    [[nodiscard]] FloatMatrix matrix() const { return {weight.data(), rows, cols, cols}; }
  };

  void read(const OutputRows& rows, std::uint64_t first, std::uint64_t count, Tile& tile) const;
  [[nodiscard]] FloatMatrix change(const OutputRows& rows, std::uint64_t first, const Tile& tile,
                                   float parameter);
  void activate_tile(std::uint64_t count);

  const OutputWork& work_;
  std::span<const float> gammas_;
  std::span<const float> alphas_;
  std::unique_ptr<ProductSum> base_sum_;
  std::unique_ptr<ProductSum> gate_sum_{};
  std::vector<std::unique_ptr<ProductSum>> down_sums_{};
  Tile gate_{};
  Tile up_{};
  Tile down_{};
  std::vector<float> change_{};
  std::vector<float> gate_output_{};    // z, then act(z)∘u
  std::vector<float> up_output_{};      // u
  std::vector<float> hidden_change_{};  // Z, then D
  std::vector<float> edited_hidden_{};  // act(z)∘u + D
};

/// Bytes that a pass needs for one γ with `alphas` edits of down: sums, a copy of two of them, and
/// the hidden rows of a tile.
[[nodiscard]] std::uint64_t pass_bytes(const OutputWork& work, std::uint64_t alphas) noexcept;

/// measure_outputs within `memory` bytes, as far as one point at a time allows, beside the probe
/// and the tiles, which are 8·kTileNeurons·H elements of 4 bytes.
[[nodiscard]] OutputGrid measure_outputs_within(std::uint64_t memory, const OutputJob& job,
                                                Products& products, const Execution& execution);

}  // namespace contourfuse
