// Function metrics: what the grid does to an MLP's output on probes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/neuron/activation.hpp"
#include "contourfuse/sweep/grid.hpp"
#include "contourfuse/sweep/probe.hpp"
#include "contourfuse/sweep/products.hpp"

namespace contourfuse {

/// One matrix of an MLP, and how it is edited.
struct OutputMatrix {
  const File* source = nullptr;     ///< the shard; not owned
  MatrixJob matrix{};               ///< `delta` null: not edited, nothing covered
  std::vector<float> parameters{};  ///< γ of gate as f32, α_dyn of down; one a value of the axis
};

/// RMSNorm after the MLP: y·weight / √(mean(y²) + epsilon).
struct PostNorm {
  std::vector<float> weight{};  ///< of H elements, the offset of 1 + weight families added
  double epsilon = 1e-6;
};

/// One MLP: act(X·gateᵀ)∘(X·upᵀ)·downᵀ, gate and up [I, H], down [H, I].
struct OutputJob {
  OutputMatrix gate{};
  OutputMatrix up{};  ///< `parameters` is empty
  OutputMatrix down{};
  Activation activation = Activation::kGeluTanh;
  ProbeRows probe{};
  std::optional<PostNorm> post_norm{};
  bool exact = false;  ///< with the stored results of a fuse instead of those before rounding
  bool stochastic = false;
  std::uint64_t rounding_seed = 0;
};

/// Sums over tokens and outputs at every point, γ outer, α inner. Every matrix is read once (more
/// often if the grid is too large for memory). Unless exact, two down products a value of γ serve
/// all α (the output is linear in α_dyn), and values of γ that clamp nothing more share theirs.
/// Differences are formed before they are summed, so a small edit keeps its relative accuracy. Both
/// axes have a value at least. Advances progress by the bytes of the three matrices. Throws
/// Error{kBadInput, "non-finite"} if an output is not finite.
[[nodiscard]] OutputGrid measure_outputs(const OutputJob& job, Products& products,
                                         const Execution& execution);

}  // namespace contourfuse
