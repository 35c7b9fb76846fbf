// What the function metrics do element by element, per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse {

/// How a fuse makes the stored elements of one matrix.
struct StoredEdit {
  DType dtype = DType::kBF16;
  ScfRole role = ScfRole::kDown;
  float parameter = 0;  ///< α_dyn or γ
  bool stochastic = false;
  std::uint64_t rounding_seed = 0;
  std::uint64_t tensor_hash = 0;  ///< XXH3-64 of the tensor's name
};

/// Sums over the outputs of one token, or each term times a weight: of y, the base's output, and
/// of e and q, the parts of the change e + a·q.
struct TokenSums {
  double y2 = 0;
  double e = 0;
  double q = 0;
  double e2 = 0;
  double eq = 0;
  double q2 = 0;
  double ye = 0;
  double yq = 0;
};

struct OutputKernels {
  /// Stored elements of an editable type as f32.
  void (*widen)(DType dtype, const std::byte* stored, std::size_t count, float* out);
  /// max |d|
  float (*largest)(const float* delta, std::size_t count);
  /// w·clamp(d, ±γ)
  void (*clamped_change)(const float* weight, const float* delta, std::size_t count, float gamma,
                         float* out);
  /// w·d
  void (*plain_change)(const float* weight, const float* delta, std::size_t count, float* out);
  /// w′ − w of elements `first` … of the matrix, w′ as stored.
  void (*stored_change)(const StoredEdit& edit, const float* weight, const float* delta,
                        std::size_t count, std::uint64_t first, float* out);
  /// x and x + y in f64
  void (*to_double)(const float* x, std::size_t count, double* out);
  void (*add_in_double)(const float* x, const float* y, std::size_t count, double* out);
  /// base·up
  void (*gate_hidden)(const double* base, const float* up, std::size_t count, float* hidden);
  /// (edited − base)·up, and edited·up as base·up plus that.
  void (*gate_change)(const double* base, const double* edited, const float* up, std::size_t count,
                      float* change, float* hidden);
  /// `weights` null: 1 each. The same bits at every level.
  TokenSums (*token_sums)(const float* y, const float* e, const float* q, const double* weights,
                          std::size_t count);
};

/// The best level of this processor.
[[nodiscard]] const OutputKernels& output_kernels() noexcept;

}  // namespace contourfuse
