// The output kernels, in loops that the compiler vectorises; compiled once per instruction-set
// level.
#include "sweep/output_kernels.hpp"

#include <cmath>
#include <cstring>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/rounding.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

template <class Format>
void widen_all(const std::byte* stored, std::size_t count, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    typename Format::Stored bits;
    std::memcpy(&bits, stored + i * sizeof bits, sizeof bits);
    out[i] = Format::widen(bits);
  }
}

void widen(DType dtype, const std::byte* stored, std::size_t count, float* out) {
  switch (dtype) {
    case DType::kBF16:
      return widen_all<Bf16>(stored, count, out);
    case DType::kF16:
      return widen_all<F16>(stored, count, out);
    default:  // no other is editable: the caller's bound
      return widen_all<F32>(stored, count, out);
  }
}

float largest(const float* delta, std::size_t count) {
  constexpr std::size_t kLanes = 16;
  float lanes[kLanes] = {};
  const auto take = [&](std::size_t at, std::size_t width) {
    for (std::size_t l = 0; l < width; ++l) {
      const float magnitude = std::fabs(delta[at + l]);
      lanes[l] = magnitude > lanes[l] ? magnitude : lanes[l];
    }
  };
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) take(i, kLanes);
  take(i, count - i);
  float most = 0;
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

void clamped_change(const float* __restrict weight, const float* __restrict delta,
                    std::size_t count, float gamma, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = contour_gate(delta[i], gamma) * weight[i];
}

void plain_change(const float* __restrict weight, const float* __restrict delta, std::size_t count,
                  float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = delta[i] * weight[i];
}

template <ScfRole role, class Format, bool stochastic>
void stored_changes(const StoredEdit& edit, const float* __restrict weight,
                    const float* __restrict delta, std::size_t count, std::uint64_t first,
                    float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float t = contour<role>(delta[i], edit.parameter);
    const float result = apply_contour(t, weight[i]);
    if constexpr (stochastic) {
      const std::uint32_t random = rounding_bits(edit.rounding_seed, edit.tensor_hash, first + i);
      out[i] = Format::widen(narrow_stochastic<Format>(result, random)) - weight[i];
    } else {
      out[i] = Format::widen(Format::narrow(result)) - weight[i];
    }
  }
}

template <ScfRole role, class Format>
void stored_changes_of(const StoredEdit& edit, const float* weight, const float* delta,
                       std::size_t count, std::uint64_t first, float* out) {
  if (edit.stochastic) {
    stored_changes<role, Format, true>(edit, weight, delta, count, first, out);
  } else {
    stored_changes<role, Format, false>(edit, weight, delta, count, first, out);
  }
}

template <ScfRole role>
void stored_changes_of(const StoredEdit& edit, const float* weight, const float* delta,
                       std::size_t count, std::uint64_t first, float* out) {
  switch (edit.dtype) {
    case DType::kBF16:
      return stored_changes_of<role, Bf16>(edit, weight, delta, count, first, out);
    case DType::kF16:
      return stored_changes_of<role, F16>(edit, weight, delta, count, first, out);
    default:
      return stored_changes_of<role, F32>(edit, weight, delta, count, first, out);
  }
}

void stored_change(const StoredEdit& edit, const float* weight, const float* delta,
                   std::size_t count, std::uint64_t first, float* out) {
  if (edit.role == ScfRole::kDown) {
    stored_changes_of<ScfRole::kDown>(edit, weight, delta, count, first, out);
  } else {
    stored_changes_of<ScfRole::kGate>(edit, weight, delta, count, first, out);
  }
}

void to_double(const float* __restrict x, std::size_t count, double* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<double>(x[i]);
}

void add_in_double(const float* __restrict x, const float* __restrict y, std::size_t count,
                   double* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<double>(x[i]) + static_cast<double>(y[i]);
  }
}

void gate_hidden(const double* __restrict base, const float* __restrict up, std::size_t count,
                 float* __restrict hidden) {
  for (std::size_t i = 0; i < count; ++i) {
    hidden[i] = static_cast<float>(base[i] * static_cast<double>(up[i]));
  }
}

void gate_change(const double* __restrict base, const double* __restrict edited,
                 const float* __restrict up, std::size_t count, float* __restrict change,
                 float* __restrict hidden) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto factor = static_cast<double>(up[i]);
    change[i] = static_cast<float>((edited[i] - base[i]) * factor);
    hidden[i] = static_cast<float>(edited[i] * factor);
  }
}

// Lanes of a sum, the same at every level, so that all levels add in one order.
constexpr std::size_t kSumLanes = 8;

struct SumLanes {
  double y2[kSumLanes] = {};
  double e[kSumLanes] = {};
  double q[kSumLanes] = {};
  double e2[kSumLanes] = {};
  double eq[kSumLanes] = {};
  double q2[kSumLanes] = {};
  double ye[kSumLanes] = {};
  double yq[kSumLanes] = {};
};

double fold(const double* lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <bool weighted>
CONTOURFUSE_HOST_DEVICE void add_terms(SumLanes& sums, const float* y, const float* e,
                                       const float* q, const double* weights, std::size_t width) {
  for (std::size_t l = 0; l < width; ++l) {
    const auto y_l = static_cast<double>(y[l]);
    const auto e_l = static_cast<double>(e[l]);
    const auto q_l = static_cast<double>(q[l]);
    const double weight = weighted ? weights[l] : 1.0;
    const double weighted_e = weight * e_l;
    const double weighted_q = weight * q_l;
    sums.y2[l] += weight * y_l * y_l;
    sums.e[l] += weighted_e;
    sums.q[l] += weighted_q;
    sums.e2[l] += weighted_e * e_l;
    sums.eq[l] += weighted_e * q_l;
    sums.q2[l] += weighted_q * q_l;
    sums.ye[l] += weighted_e * y_l;
    sums.yq[l] += weighted_q * y_l;
  }
}

template <bool weighted>
TokenSums sums_of(const float* y, const float* e, const float* q, const double* weights,
                  std::size_t count) {
  SumLanes lanes;
  std::size_t i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    add_terms<weighted>(lanes, y + i, e + i, q + i, weighted ? weights + i : nullptr, kSumLanes);
  }
  add_terms<weighted>(lanes, y + i, e + i, q + i, weighted ? weights + i : nullptr, count - i);
  return {fold(lanes.y2), fold(lanes.e),  fold(lanes.q),  fold(lanes.e2),
          fold(lanes.eq), fold(lanes.q2), fold(lanes.ye), fold(lanes.yq)};
}

TokenSums token_sums(const float* y, const float* e, const float* q, const double* weights,
                     std::size_t count) {
  return weights == nullptr ? sums_of<false>(y, e, q, nullptr, count)
                            : sums_of<true>(y, e, q, weights, count);
}

}  // namespace

extern const OutputKernels kOutputKernels;
const OutputKernels kOutputKernels{widen,         largest,   clamped_change, plain_change,
                                   stored_change, to_double, add_in_double,  gate_hidden,
                                   gate_change,   token_sums};

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
