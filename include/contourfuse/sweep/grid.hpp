// What a sweep measures: one matrix, one MLP, one layer, at every point of the grid.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "contourfuse/model/config.hpp"

namespace contourfuse {

/// One matrix at one value of its axis, over covered elements; w the weight, t its contour, w′ the
/// stored result. `changed` and `lost` are exact whole numbers where results are rounded to
/// nearest, and expectations under stochastic rounding. The sums are before rounding unless the
/// sweep is exact.
struct GridPoint {
  float parameter = 0;           ///< α_dyn or γ as used; 0 where the whole delta is zero
  std::uint64_t moved = 0;       ///< t ≠ 0 and w ≠ 0
  double changed = 0;            ///< stored bits differ
  double lost = 0;               ///< moved, and the stored bits are still those of w
  std::uint64_t clamped = 0;     ///< gate: |d| > γ
  std::uint64_t sign_flips = 0;  ///< t < −1 and w ≠ 0
  double change2 = 0;            ///< Σ(t·w)², exact: Σ(w′ − w)²
  double change = 0;             ///< Σt·w, exact: Σ(w′ − w)
};

/// One matrix along its axis: α of a down_proj, γ of a gate_proj.
struct MatrixGrid {
  std::uint64_t covered = 0;
  double weight2 = 0;               ///< Σw²
  double max_delta = 0;             ///< max |d|
  std::vector<GridPoint> points{};  ///< as the axis
};

/// The MLP's output Y′ on the probes at one point against Y of the base: sums over tokens and
/// outputs.
struct OutputPoint {
  double change2 = 0;       ///< Σ(Y′ − Y)²
  double change = 0;        ///< Σ(Y′ − Y)
  double cross = 0;         ///< ΣY·Y′
  double out2 = 0;          ///< ΣY′²
  double norm_change2 = 0;  ///< Σ(norm(Y′) − norm(Y))², 0 where there is no post norm
};

/// The MLP's output over the whole grid.
struct OutputGrid {
  std::uint64_t values = 0;            ///< tokens × hidden size
  double base2 = 0;                    ///< ΣY²
  std::optional<double> norm_base2{};  ///< Σnorm(Y)²; null where there is no post norm
  std::vector<OutputPoint> points{};   ///< γ outer, α inner
};

/// One layer over the whole grid. A role whose delta is missing is null.
struct LayerGrid {
  std::uint64_t layer = 0;
  LayerKind kind = LayerKind::kGlobal;
  std::optional<MatrixGrid> gate{};    ///< along γ
  std::optional<MatrixGrid> down{};    ///< along α
  std::optional<OutputGrid> output{};  ///< null without probes
};

}  // namespace contourfuse
