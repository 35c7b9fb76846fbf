// The fit of a cell: coefficients that make K mirrored pairs compute a source neuron.
#pragma once

#include <span>
#include <vector>

#include "contourfuse/neuron/activation.hpp"
#include "contourfuse/neuron/piecewise_linear.hpp"

namespace contourfuse {

struct FitSettings {
  double derivative_weight = 0.01;  ///< λ: weight of (F′ − f′)²
  double ridge = 1e-5;              ///< added to each k², beside 1e-6 of the pair's own energy
};

struct Fit {
  std::vector<float> coefficients{};  ///< bf16 values, one per gain
  double fit_error = 0;  ///< ‖F − f‖/‖f‖ under φ, of the quantised coefficients
  double storage_error = 0;  ///< ‖F̂ − F‖/‖F‖, F̂ the cell as its stored bf16 rows compute it
};

/// Minimises ∫ φ(z) [(F−f)² + λ (F′−f′)²] dz + Σ k² (1e-6 ‖ψ‖² + ridge) over z in [−6, 6], φ the
/// standard normal density, F = Σ k_j ψ_{g_j}, then over bf16 values of k. Errors carry 10
/// significant digits. Throws Error{kBadInput} if f vanishes on [−6, 6].
[[nodiscard]] Fit fit_cell(Activation activation, const PiecewiseLinear& f,
                           std::span<const float> gains, const FitSettings& settings = {});

}  // namespace contourfuse
