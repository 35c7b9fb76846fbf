// Least squares by quadrature, an exact search over bf16 values, and the measured errors.
#include "contourfuse/neuron/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <string>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/neuron/frames.hpp"
#include "contourfuse/numeric/float_formats.hpp"

namespace contourfuse {
namespace {

constexpr double kLastKnot = 6;
// ψ of the largest default gain, 32, bends within |z| < 0.1: six panels of five nodes.
constexpr double kPanel = 1.0 / 64;
// Relative part of the ridge: the variance that bf16 storage adds to a pair's output.
constexpr double kEnergyRidge = 1e-6;
// bf16 values tried for one coefficient, nearest first.
constexpr std::size_t kCandidates = 8;

// 5-point Gauss–Legendre on [−1, 1].
constexpr double kNode[5] = {-0.9061798459386640, -0.5384693101056831, 0.0, 0.5384693101056831,
                             0.9061798459386640};
constexpr double kWeight[5] = {0.2369268850561891, 0.4786286704993665, 0.5688888888888889,
                               0.4786286704993665, 0.2369268850561891};

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

struct Node {
  double z;
  double weight;  // quadrature weight times φ, both halves of the line
};

// Panels end at the knots, so that every integrand is smooth inside of one.
std::vector<Node> make_nodes(const PiecewiseLinear& f) {
  Vector ends{0};
  for (const double knot : f.knots()) {
    if (knot < kLastKnot) ends.push_back(knot);
  }
  ends.push_back(kLastKnot);
  std::vector<Node> nodes;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    const double length = ends[i + 1] - ends[i];
    const double panels = std::ceil(length / kPanel);
    const double half = 0.5 * length / panels;
    for (double p = 0; p < panels; p += 1) {
      const double centre = ends[i] + (2 * p + 1) * half;
      for (std::size_t n = 0; n < 5; ++n) {
        const double z = centre + half * kNode[n];
        const double density =
            std::exp(-0.5 * z * z) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
        nodes.push_back({z, 2 * half * kWeight[n] * density});
      }
    }
  }
  return nodes;
}

// What the cell and the source neuron are at every node.
struct Samples {
  std::vector<Node> nodes{};
  Matrix pair{};        // ψ_j
  Matrix pair_slope{};  // ψ′_j
  Vector value{};       // f
  Vector slope{};       // f′
};

Samples sample(Activation activation, const PiecewiseLinear& f, std::span<const float> gains) {
  Samples s{.nodes = make_nodes(f)};
  for (const float gain : gains) {
    Vector pair;
    Vector pair_slope;
    for (const Node& node : s.nodes) {
      pair.push_back(mirrored_pair(activation, static_cast<double>(gain), node.z));
      pair_slope.push_back(mirrored_pair_derivative(activation, static_cast<double>(gain), node.z));
    }
    s.pair.push_back(std::move(pair));
    s.pair_slope.push_back(std::move(pair_slope));
  }
  for (const Node& node : s.nodes) {
    s.value.push_back(f(node.z));
    s.slope.push_back(f.derivative(node.z));
  }
  return s;
}

double inner(const std::vector<Node>& nodes, const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) sum += nodes[i].weight * a[i] * b[i];
  return sum;
}

Vector combine(const Matrix& functions, std::span<const double> k) {
  Vector sum(functions.front().size(), 0.0);
  for (std::size_t j = 0; j < functions.size(); ++j) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += k[j] * functions[j][i];
  }
  return sum;
}

// Lower L with A = L Lᵀ; A is positive definite by its ridge.
Matrix cholesky(Matrix a) {
  const std::size_t n = a.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i][j];
      for (std::size_t m = 0; m < j; ++m) sum -= a[i][m] * a[j][m];
      a[i][j] = i == j ? std::sqrt(sum) : sum / a[j][j];
    }
  }
  return a;
}

// Solution of L Lᵀ x = b.
Vector solve(const Matrix& lower, Vector b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t m = 0; m < i; ++m) b[i] -= lower[i][m] * b[m];
    b[i] /= lower[i][i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t m = i + 1; m < n; ++m) b[i] -= lower[m][i] * b[m];
    b[i] /= lower[i][i];
  }
  return b;
}

// The bf16 values nearest to x, nearest first, the one with the smaller magnitude at a tie.
std::vector<double> nearest_bf16(double x) {
  const std::uint16_t centre = Bf16::narrow(static_cast<float>(std::fabs(x)));
  std::vector<double> values;
  for (int step = -static_cast<int>(kCandidates); step <= static_cast<int>(kCandidates); ++step) {
    const int bits = static_cast<int>(centre) + step;
    if (bits < 0 || bits >= 0x7F80) continue;
    const auto value = static_cast<double>(Bf16::widen(static_cast<std::uint16_t>(bits)));
    values.push_back(x < 0 ? -value : value);
  }
  std::stable_sort(values.begin(), values.end(),
                   [x](double a, double b) { return std::fabs(a - x) < std::fabs(b - x); });
  values.resize(std::min(values.size(), kCandidates));
  return values;
}

// Finds the bf16 vector nearest to `target` in the norm of L Lᵀ: coefficients are fixed one at a
// time from the last to the first, each around the value that is best given the fixed ones, and a
// branch ends once it is as bad as the best vector so far.
class Bf16Search {
 public:
  Bf16Search(Matrix lower, Vector target)
      : lower_(std::move(lower)), target_(std::move(target)), trial_(target_), best_(target_) {}

  Vector run() {
    descend(target_.size(), 0);
    return best_;
  }

 private:
  void descend(std::size_t left, double distance) {
    if (left == 0) {
      best_distance_ = distance;
      best_ = trial_;
      return;
    }
    // ‖Lᵀ(k − k*)‖²: row i of Lᵀ involves coefficients i … K−1 alone.
    const std::size_t i = left - 1;
    double carried = 0;
    for (std::size_t m = left; m < target_.size(); ++m) {
      carried += lower_[m][i] * (trial_[m] - target_[m]);
    }
    for (const double value : nearest_bf16(target_[i] - carried / lower_[i][i])) {
      const double residual = lower_[i][i] * (value - target_[i]) + carried;
      const double reached = distance + residual * residual;
      if (reached >= best_distance_) return;
      trial_[i] = value;
      descend(i, reached);
    }
  }

  Matrix lower_;
  Vector target_;
  Vector trial_;
  Vector best_;
  double best_distance_ = std::numeric_limits<double>::infinity();
};

// exp and tanh of two machines' libm may differ in the last bit, and these are only measures.
double to_10_digits(double value) {
  return std::strtod(fmt::format("{:.9e}", value).c_str(), nullptr);
}

double to_f64(std::uint16_t stored) { return static_cast<double>(Bf16::widen(stored)); }

// A stored row is a scaled ĉ = bf16(c): the cell sees ẑ = ĉ·x instead of z = c·x, that is ⟨ĉ,c⟩ z
// plus independent noise. A stored column is bf16(k o), whose part along o is k (1 + η).
double measure_storage(const Samples& s, std::span<const double> k) {
  constexpr std::uint64_t kWidth = 256;  // every frame of one width; the errors hardly depend on it
  const std::vector<float> table = make_frame_table(kWidth, 1.0F);
  const Vector cell = combine(s.pair, k);
  const Vector slope = combine(s.pair_slope, k);
  Vector stretched(cell.size());
  for (std::size_t i = 0; i < cell.size(); ++i) stretched[i] = s.nodes[i].z * slope[i];
  // Gram matrix of the errors' directions: each k ψ, then z F′, then F′.
  Matrix directions;
  for (std::size_t j = 0; j < k.size(); ++j) {
    directions.push_back(s.pair[j]);
    for (double& value : directions.back()) value *= k[j];
  }
  directions.push_back(stretched);
  const std::size_t n = directions.size();
  Matrix gram(n, Vector(n));
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) gram[a][b] = inner(s.nodes, directions[a], directions[b]);
  }
  const double slope_energy = inner(s.nodes, slope, slope);

  double error = 0;
  Vector amount(n);
  for (std::uint64_t frame = 1; frame < kWidth; ++frame) {
    double along = 0;
    double stored_norm = 0;
    std::fill(amount.begin(), amount.end(), 0.0);
    for (std::uint64_t i = 0; i < kWidth; ++i) {
      const float t = table[(2 * i + 1) * frame % (4 * kWidth)];
      const auto exact = static_cast<double>(t);
      const double stored = to_f64(Bf16::narrow(t));
      along += exact * stored;
      stored_norm += stored * stored;
      for (std::size_t j = 0; j < k.size(); ++j) {
        if (k[j] == 0) continue;
        const float product = static_cast<float>(k[j]) * t;
        amount[j] += exact * to_f64(Bf16::narrow(product)) / k[j];
      }
    }
    for (std::size_t j = 0; j < k.size(); ++j) amount[j] = k[j] == 0 ? 0 : amount[j] - 1;
    amount[n - 1] = along - 1;
    double squared = std::max(0.0, stored_norm - along * along) * slope_energy;
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; b < n; ++b) squared += amount[a] * gram[a][b] * amount[b];
    }
    error += squared / static_cast<double>(kWidth - 1);
  }
  return std::sqrt(error / inner(s.nodes, cell, cell));
}

}  // namespace

Fit fit_cell(Activation activation, const PiecewiseLinear& f, std::span<const float> gains,
             const FitSettings& settings) {
  const Samples s = sample(activation, f, gains);
  const std::size_t n = gains.size();
  const double energy = inner(s.nodes, s.value, s.value);
  if (!(energy > 0) || !std::isfinite(energy)) {
    throw Error(Failure::kBadInput, "bad-source-neuron",
                "the function vanishes (or is not finite) on [-6, 6], so no cell can be fitted");
  }
  Matrix normal(n, Vector(n));
  Vector right(n);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) {
      normal[a][b] = inner(s.nodes, s.pair[a], s.pair[b]) +
                     settings.derivative_weight * inner(s.nodes, s.pair_slope[a], s.pair_slope[b]);
    }
    right[a] = inner(s.nodes, s.pair[a], s.value) +
               settings.derivative_weight * inner(s.nodes, s.pair_slope[a], s.slope);
    normal[a][a] += kEnergyRidge * inner(s.nodes, s.pair[a], s.pair[a]) + settings.ridge;
  }
  const Matrix lower = cholesky(std::move(normal));
  const Vector k = Bf16Search(lower, solve(lower, std::move(right))).run();

  Vector difference = combine(s.pair, k);
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= s.value[i];
  Fit fit{.fit_error = to_10_digits(std::sqrt(inner(s.nodes, difference, difference) / energy))};
  for (const double value : k) fit.coefficients.push_back(static_cast<float>(value));
  fit.storage_error = to_10_digits(measure_storage(s, k));
  return fit;
}

}  // namespace contourfuse
