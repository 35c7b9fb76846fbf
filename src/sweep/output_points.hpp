// From sums over one token's outputs to the metrics of a point.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "contourfuse/sweep/output_grid.hpp"
#include "sweep/output_kernels.hpp"

namespace contourfuse {

/// Of one token; `weighted` by the squares of the post norm's weights, 0 without one.
struct TokenState {
  TokenSums plain{};
  TokenSums weighted{};
};

class OutputPoints {
 public:
  OutputPoints(const std::optional<PostNorm>& norm, std::uint64_t hidden);

  /// Rows of H elements: the base's output, and the parts of its change e + a·q.
  [[nodiscard]] TokenState state(const float* y, const float* e, const float* q) const;
  /// The change e + a·q over all tokens.
  [[nodiscard]] OutputPoint point(std::span<const TokenState> tokens, double a) const;
  /// ΣY² and Σnorm(Y)² of a grid without points.
  [[nodiscard]] OutputGrid base(std::span<const TokenState> tokens) const;

 private:
  [[nodiscard]] double norm_change2(const TokenState& token, double a) const;

  std::uint64_t hidden_;
  std::optional<double> epsilon_{};
  std::vector<double> weight2_{};
};

}  // namespace contourfuse
