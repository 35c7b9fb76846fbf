// The metrics of a point, each a quadratic in a.
#include "sweep/output_points.hpp"

#include <algorithm>
#include <cmath>

namespace contourfuse {
namespace {

/// Σ(e + a·q)²; rounding may take a sum of squares that cancel below 0.
double change2(const TokenSums& sums, double a) {
  return std::max(0.0, sums.e2 + 2 * a * sums.eq + a * a * sums.q2);
}

/// Σy·(e + a·q)
double cross_change(const TokenSums& sums, double a) { return sums.ye + a * sums.yq; }

}  // namespace

OutputPoints::OutputPoints(const std::optional<PostNorm>& norm, std::uint64_t hidden)
    : hidden_(hidden) {
  if (!norm) return;
  epsilon_ = norm->epsilon;
  for (const float weight : norm->weight) {
    weight2_.push_back(static_cast<double>(weight) * static_cast<double>(weight));
  }
}

TokenState OutputPoints::state(const float* y, const float* e, const float* q) const {
  const OutputKernels& kernels = output_kernels();
  TokenState state{.plain = kernels.token_sums(y, e, q, nullptr, hidden_)};
  if (epsilon_) state.weighted = kernels.token_sums(y, e, q, weight2_.data(), hidden_);
  return state;
}

// With r = √(mean y² + ε) and r′ of y′ = y + c: g∘(y′/r′ − y/r) = g∘(c/r′ − κ·y), κ = 1/r − 1/r′,
// which has no difference of nearly equal numbers if κ is (r′² − r²) / (r·r′·(r + r′)).
double OutputPoints::norm_change2(const TokenState& token, double a) const {
  const auto hidden = static_cast<double>(hidden_);
  const double square = token.plain.y2 / hidden + *epsilon_;
  const double growth = (2 * cross_change(token.plain, a) + change2(token.plain, a)) / hidden;
  const double edited_square = std::max(square + growth, *epsilon_);
  const double r = std::sqrt(square);
  const double edited_r = std::sqrt(edited_square);
  const double kappa = growth / (r * edited_r * (r + edited_r));
  return std::max(0.0, change2(token.weighted, a) / edited_square -
                           2 * kappa / edited_r * cross_change(token.weighted, a) +
                           kappa * kappa * token.weighted.y2);
}

OutputPoint OutputPoints::point(std::span<const TokenState> tokens, double a) const {
  OutputPoint point;
  for (const TokenState& token : tokens) {
    const double changed = change2(token.plain, a);
    const double crossed = cross_change(token.plain, a);
    point.change2 += changed;
    point.change += token.plain.e + a * token.plain.q;
    point.cross += token.plain.y2 + crossed;
    point.out2 += token.plain.y2 + 2 * crossed + changed;
    if (epsilon_) point.norm_change2 += norm_change2(token, a);
  }
  return point;
}

OutputGrid OutputPoints::base(std::span<const TokenState> tokens) const {
  OutputGrid grid;
  grid.values = tokens.size() * hidden_;
  if (epsilon_) grid.norm_base2 = 0;
  for (const TokenState& token : tokens) {
    grid.base2 += token.plain.y2;
    if (!epsilon_) continue;
    const double square = token.plain.y2 / static_cast<double>(hidden_) + *epsilon_;
    *grid.norm_base2 += token.weighted.y2 / square;
  }
  return grid;
}

}  // namespace contourfuse
