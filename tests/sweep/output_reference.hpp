// An MLP with random matrices in a file, and its output grid computed directly in f64.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "contourfuse/sweep/output_grid.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse::test {

/// What an MLP is like and how it is measured; the defaults are the plain case.
struct MlpCase {
  std::string name = "plain";
  DType dtype = DType::kBF16;
  DType delta_dtype = DType::kBF16;
  Activation activation = Activation::kGeluTanh;
  bool gate_edited = true;
  bool down_edited = true;
  bool partial = false;  ///< the delta covers less in both dimensions
  bool norm = true;
  bool exact = false;
  bool stochastic = false;
  float last_delta = 0.5F;  ///< the last covered one of gate
  std::vector<float> gammas{0.05F, 0.4F, 1.5F};
  std::vector<float> alphas{0.02F, 0.3F, -1.25F};
};

inline std::string stored_bytes(DType dtype, std::span<const float> values) {
  std::string bytes(values.size() * editable_bytes(dtype), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t narrow =
        dtype == DType::kBF16 ? Bf16::narrow(values[i]) : F16::narrow(values[i]);
    if (dtype == DType::kF32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      std::memcpy(bytes.data() + 2 * i, &narrow, 2);
    }
  }
  return bytes;
}

/// As the type holds them.
inline std::vector<float> rounded(DType dtype, std::vector<float> values) {
  for (float& value : values) {
    if (dtype == DType::kBF16) value = Bf16::widen(Bf16::narrow(value));
    if (dtype == DType::kF16) value = F16::widen(F16::narrow(value));
  }
  return values;
}

class StoredDelta final : public DeltaReader {
 public:
  StoredDelta(DType dtype, std::span<const float> values)
      : element_(editable_bytes(dtype)), bytes_(stored_bytes(dtype, values)) {}
  void read(std::uint64_t first, std::span<std::byte> out) const override {
    ASSERT_LE(first * element_ + out.size(), bytes_.size());
    std::memcpy(out.data(), bytes_.data() + first * element_, out.size());
  }
  [[nodiscard]] bool stored() const noexcept override { return true; }

 private:
  std::uint64_t element_;
  std::string bytes_;
};

/// A matrix in both forms.
struct TestMatrix {
  MatrixJob job{};
  std::vector<float> weight{};
  std::vector<float> delta{};  ///< [rows, cols], 0 where not covered
  std::optional<StoredDelta> reader{};
};

class TestMlp {
 public:
  // More than one tile of neurons, and no multiple of a vector's width.
  static constexpr std::uint64_t kHidden = 21;
  static constexpr std::uint64_t kNeurons = 701;
  static constexpr std::uint64_t kTokens = 5;

  explicit TestMlp(MlpCase wanted) : case_(std::move(wanted)) {
    make(gate_, "gate", ScfRole::kGate, kNeurons, kHidden, case_.gate_edited);
    make(up_, "up", ScfRole::kGate, kNeurons, kHidden, false);
    make(down_, "down", ScfRole::kDown, kHidden, kNeurons, case_.down_edited);
    write_bytes(folder_.path() / "mlp", file_bytes_);
    file_ = File::open(folder_.path() / "mlp");
    probe_ = {kTokens, normals(kTokens * kHidden, 1)};
    norm_ = normals(kHidden, 0.3);
    for (float& weight : norm_) weight += 1;
  }
  TestMlp(const TestMlp&) = delete;
  TestMlp& operator=(const TestMlp&) = delete;

  [[nodiscard]] OutputJob job() const {
    OutputJob job{.gate = {&file_, gate_.job, case_.gammas},
                  .up = {&file_, up_.job, {}},
                  .down = {&file_, down_.job, case_.alphas},
                  .activation = case_.activation,
                  .probe = probe_,
                  .exact = case_.exact,
                  .stochastic = case_.stochastic,
                  .rounding_seed = kRoundingSeed};
    if (case_.norm) job.post_norm = PostNorm{norm_, kEpsilon};
    return job;
  }
  [[nodiscard]] std::uint64_t bytes() const { return file_bytes_.size() - kGap; }
  [[nodiscard]] OutputGrid reference() const;

 private:
  static constexpr std::uint64_t kRoundingSeed = 77;
  static constexpr double kEpsilon = 1e-3;  // large enough to be seen in the results
  static constexpr std::uint64_t kGap = 6;  // bytes before the first matrix

  std::vector<float> normals(std::uint64_t count, double scale) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(scale * normal_(random_));
    return values;
  }

  void make(TestMatrix& matrix, const std::string& name, ScfRole role, std::uint64_t rows,
            std::uint64_t cols, bool edited) {
    matrix.job = {.name = name,
                  .role = role,
                  .offset = file_bytes_.size(),
                  .rows = rows,
                  .cols = cols,
                  .dtype = case_.dtype,
                  .delta_dtype = case_.delta_dtype};
    matrix.weight = rounded(case_.dtype, normals(rows * cols, 0.2));
    matrix.delta.resize(rows * cols);
    file_bytes_ += stored_bytes(case_.dtype, matrix.weight);
    if (!edited) return;
    matrix.job.covered_rows = case_.partial ? rows - rows / 5 : rows;
    matrix.job.covered_cols = case_.partial ? cols - cols / 5 : cols;
    std::vector<float> delta = rounded(case_.delta_dtype, normals(matrix.job.covered(), 0.7));
    if (role == ScfRole::kGate) delta.back() = case_.last_delta;
    matrix.reader.emplace(case_.delta_dtype, delta);
    matrix.job.delta = &*matrix.reader;
    for (std::uint64_t i = 0; i < delta.size(); ++i) {
      const std::uint64_t row = i / matrix.job.covered_cols;
      matrix.delta[row * cols + i % matrix.job.covered_cols] = delta[i];
    }
  }

  /// The weight of a fuse: before rounding, or as it is stored.
  [[nodiscard]] double fused(const TestMatrix& matrix, std::uint64_t i, float parameter) const {
    const float w = matrix.weight[i];
    const float d = matrix.delta[i];
    const bool down = matrix.job.role == ScfRole::kDown;
    if (!case_.exact) {
      const double t = down ? double{parameter} * double{d}
                            : std::min(std::max(double{d}, -double{parameter}), double{parameter});
      return double{w} * (1 + t);
    }
    const float t = down ? contour_down(d, parameter) : contour_gate(d, parameter);
    const float result = apply_contour(t, w);
    const std::uint32_t random = rounding_bits(kRoundingSeed, xxh3_64(matrix.job.name), i);
    switch (case_.dtype) {
      case DType::kBF16:
        return Bf16::widen(case_.stochastic ? narrow_stochastic<Bf16>(result, random)
                                            : Bf16::narrow(result));
      case DType::kF16:
        return F16::widen(case_.stochastic ? narrow_stochastic<F16>(result, random)
                                           : F16::narrow(result));
      default:
        return result;
    }
  }

  [[nodiscard]] std::vector<double> fused(const TestMatrix& matrix,
                                          std::optional<float> parameter) const {
    std::vector<double> weights(matrix.weight.begin(), matrix.weight.end());
    for (std::size_t i = 0; parameter && i < weights.size(); ++i) {
      weights[i] = fused(matrix, i, *parameter);
    }
    return weights;
  }

  /// [kTokens, kHidden]; nothing is edited without its parameter.
  [[nodiscard]] std::vector<double> output(std::optional<float> gamma,
                                           std::optional<float> alpha) const;

  MlpCase case_;
  TemporaryFolder folder_{};
  std::string file_bytes_ = std::string(kGap, '?');
  std::mt19937_64 random_{5};
  std::normal_distribution<double> normal_{};
  TestMatrix gate_{};
  TestMatrix up_{};
  TestMatrix down_{};
  File file_{};
  ProbeRows probe_{};
  std::vector<float> norm_{};
};

inline double reference_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x * 0.7071067811865476));
    default:
      return x / (1 + std::exp(-x));
  }
}

inline std::vector<double> TestMlp::output(std::optional<float> gamma,
                                           std::optional<float> alpha) const {
  const std::vector<double> gate = fused(gate_, gamma);
  const std::vector<double> up = fused(up_, std::nullopt);
  const std::vector<double> down = fused(down_, alpha);
  std::vector<double> out(kTokens * kHidden);
  for (std::uint64_t t = 0; t < kTokens; ++t) {
    const float* const x = probe_.values.data() + t * kHidden;
    for (std::uint64_t n = 0; n < kNeurons; ++n) {
      double z = 0;
      double u = 0;
      for (std::uint64_t h = 0; h < kHidden; ++h) {
        z += double{x[h]} * gate[n * kHidden + h];
        u += double{x[h]} * up[n * kHidden + h];
      }
      const double hidden = reference_activation(case_.activation, z) * u;
      for (std::uint64_t h = 0; h < kHidden; ++h) {
        out[t * kHidden + h] += hidden * down[h * kNeurons + n];
      }
    }
  }
  return out;
}

inline OutputGrid TestMlp::reference() const {
  const auto normed = [this](const std::vector<double>& y) {
    std::vector<double> out = y;
    for (std::uint64_t t = 0; t < kTokens; ++t) {
      double squares = 0;
      for (std::uint64_t h = 0; h < kHidden; ++h) squares += std::pow(y[t * kHidden + h], 2);
      const double r = std::sqrt(squares / kHidden + kEpsilon);
      for (std::uint64_t h = 0; h < kHidden; ++h) out[t * kHidden + h] *= double{norm_[h]} / r;
    }
    return out;
  };
  const std::vector<double> base = output(std::nullopt, std::nullopt);
  const std::vector<double> base_normed = normed(base);
  OutputGrid grid;
  grid.values = base.size();
  for (const double y : base) grid.base2 += y * y;
  if (case_.norm) {
    grid.norm_base2 = 0;
    for (const double y : base_normed) *grid.norm_base2 += y * y;
  }
  for (const float gamma : case_.gammas) {
    for (const float alpha : case_.alphas) {
      const std::vector<double> edited =
          output(case_.gate_edited ? std::optional(gamma) : std::nullopt,
                 case_.down_edited ? std::optional(alpha) : std::nullopt);
      const std::vector<double> edited_normed = normed(edited);
      OutputPoint point;
      for (std::size_t i = 0; i < base.size(); ++i) {
        point.change2 += std::pow(edited[i] - base[i], 2);
        point.change += edited[i] - base[i];
        point.cross += base[i] * edited[i];
        point.out2 += edited[i] * edited[i];
        if (case_.norm) point.norm_change2 += std::pow(edited_normed[i] - base_normed[i], 2);
      }
      grid.points.push_back(point);
    }
  }
  return grid;
}

}  // namespace contourfuse::test
