// One matrix and its delta in a file and in memory, and what a grid over it must be, element after
// element at every point.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/fuse_fixture.hpp"
#include "backend/cpu/reference.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/sweep/backend.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse::test {

/// The odds that a stochastic rounding of a value does not give `stored`, from the two codes that
/// it may give and where the value lies between them.
inline double expected_odds(DType dtype, float value, std::uint32_t stored) {
  const std::uint32_t down = narrow(dtype, value, 0U);
  const std::uint32_t up = narrow(dtype, value, 0xFFFFFFFFU);
  const auto low = static_cast<double>(widen(dtype, down));
  const auto high = static_cast<double>(widen(dtype, up));
  const double odds_of_up = down == up ? 0 : (static_cast<double>(value) - low) / (high - low);
  return (stored != down ? 1 - odds_of_up : 0) + (stored != up ? odds_of_up : 0);
}

/// A matrix of given elements.
class GridFixture {
 public:
  GridFixture(const MatrixSpec& spec, const std::vector<std::byte>& weight,
              const std::vector<std::byte>& delta)
      : weight_(weight), delta_(spec.delta_dtype, delta) {
    const std::filesystem::path path = folder_.path() / "shard";
    File written = File::create(path);
    const std::vector<std::byte> before(kOffset);
    written.write(0, before);
    written.write(kOffset, weight_);
    source_ = File::open(path);
    job.source = &source_;
    job.matrix = {.name = "a matrix",
                  .delta_place = "its delta",
                  .role = spec.role,
                  .offset = kOffset,
                  .rows = spec.rows,
                  .cols = spec.cols,
                  .covered_rows = spec.covered_rows,
                  .covered_cols = spec.covered_cols,
                  .dtype = spec.dtype,
                  .delta_dtype = spec.delta_dtype,
                  .delta = &delta_};
    job.alpha_rule = AlphaRule::kPlain;
  }

  /// Covered element i.
  [[nodiscard]] std::uint32_t weight_at(std::uint64_t i) const {
    const MatrixJob& matrix = job.matrix;
    const std::uint64_t index = i / matrix.covered_cols * matrix.cols + i % matrix.covered_cols;
    return load(matrix.dtype, weight_.data() + index * editable_bytes(matrix.dtype));
  }
  [[nodiscard]] std::uint32_t delta_at(std::uint64_t i) const {
    const std::size_t bytes = editable_bytes(job.matrix.delta_dtype);
    return load(job.matrix.delta_dtype, delta_.elements().data() + i * bytes);
  }

  /// α_dyn or γ of a value.
  [[nodiscard]] float parameter_of(double value) const {
    if (job.matrix.role == ScfRole::kGate || job.alpha_rule == AlphaRule::kPlain) {
      return static_cast<float>(value);
    }
    ReferenceMoments w;
    ReferenceMoments d;
    for (std::uint64_t i = 0; i < job.matrix.covered(); ++i) {
      w.add(widen(job.matrix.dtype, weight_at(i)));
      d.add(widen(job.matrix.delta_dtype, delta_at(i)));
    }
    const double sigma = job.alpha_rule == AlphaRule::kSigmaRatio ? w.sigma() : 1;
    return static_cast<float>(value * sigma / d.sigma());
  }

  struct Expected {
    GridPoint point{};
    double size = 0;  ///< Σ|t·w|: what `change` is accurate to
  };
  [[nodiscard]] Expected expected(double value) const {
    const MatrixJob& matrix = job.matrix;
    const Edit edit{matrix.dtype, matrix.delta_dtype, matrix.role, parameter_of(value)};
    Expected result;
    GridPoint& point = result.point;
    point.parameter = edit.parameter;
    for (std::uint64_t i = 0; i < matrix.covered(); ++i) {
      const std::uint32_t stored = weight_at(i);
      const float w = widen(matrix.dtype, stored);
      const float d = widen(matrix.delta_dtype, delta_at(i));
      const float t = edit.contour(delta_at(i));
      const float value_of = apply_contour(t, w);
      const bool moved = t != 0 && w != 0;
      const double odds = job.stochastic
                              ? expected_odds(matrix.dtype, value_of, stored)
                              : (narrow(matrix.dtype, value_of, {}) != stored ? 1.0 : 0.0);
      if (moved) ++point.moved;
      point.changed += odds;
      point.lost += moved ? 1 - odds : 0;
      const bool gate = matrix.role == ScfRole::kGate;
      if (gate && std::fabs(d) > edit.parameter) ++point.clamped;
      if (t < -1 && w != 0) ++point.sign_flips;
      // Before rounding, t too: α·d, not its f32.
      const double exact_t = gate ? static_cast<double>(t)
                                  : static_cast<double>(edit.parameter) * static_cast<double>(d);
      const double change = exact_t * static_cast<double>(w);
      point.change2 += change * change;
      point.change += change;
      result.size += std::fabs(change);
    }
    return result;
  }

  [[nodiscard]] MemoryDelta& delta() { return delta_; }

  GridJob job{};

 private:
  static constexpr std::uint64_t kOffset = 64;
  TemporaryFolder folder_{};
  std::vector<std::byte> weight_;
  MemoryDelta delta_;
  File source_{};
};

/// Two kinds of elements that are hard to count.
struct ElementSet {
  const char* name = "";
  std::function<std::uint32_t(DType, std::mt19937&)> weight{};
  std::function<std::uint32_t(DType, std::mt19937&)> delta{};
};

inline std::vector<std::byte> made_elements(
    DType dtype, std::size_t count, unsigned seed,
    const std::function<std::uint32_t(DType, std::mt19937&)>& make) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count * editable_bytes(dtype));
  for (std::size_t i = 0; i < count; ++i) {
    store(dtype, bytes.data() + i * editable_bytes(dtype), make(dtype, random));
  }
  return bytes;
}

/// Sets whose results stay finite in every type at |α| ≤ 64.
inline std::vector<ElementSet> element_sets() {
  using Random = std::mt19937;
  const auto sign = [](DType dtype, Random& random) -> std::uint32_t {
    if (random() % 2 == 0) return 0;
    return dtype == DType::kF32 ? 0x80000000U : 0x8000U;
  };
  const auto normal = [](float sigma) {
    return [sigma](DType dtype, Random& random) {
      return narrow(dtype, std::normal_distribution<float>(0, sigma)(random), {});
    };
  };
  // Any significand, exponents from low to high; an f16 underflows to a denormal or to zero.
  const auto spread = [sign](int low, int high) {
    return [=](DType dtype, Random& random) {
      const float significand = 1.0F + static_cast<float>(random() % 8192) / 8192.0F;
      const int exponent = low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
      return narrow(dtype, std::ldexp(significand, exponent), {}) | sign(dtype, random);
    };
  };
  const auto power = [sign](int low, int high) {
    return [=](DType dtype, Random& random) {
      const int exponent = low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
      return narrow(dtype, std::ldexp(1.0F, exponent), {}) | sign(dtype, random);
    };
  };
  const auto denormal = [sign](DType dtype, Random& random) {
    const std::uint32_t mask =
        dtype == DType::kF32 ? 0xFFFFFFU : (dtype == DType::kF16 ? 0x7FFU : 0xFFU);
    return (static_cast<std::uint32_t>(random()) & mask) | sign(dtype, random);
  };
  const auto zeros_in = [sign](std::function<std::uint32_t(DType, Random&)> make) {
    return [=](DType dtype, Random& random) {
      return random() % 3 == 0 ? make(dtype, random) : sign(dtype, random);
    };
  };
  const auto few = [](std::vector<float> values) {
    return [values](DType dtype, Random& random) {
      return narrow(dtype, values[random() % values.size()], {});
    };
  };
  // Any code of a value below `bound`.
  const auto any_below = [](float bound) {
    return [bound](DType dtype, Random& random) {
      for (;;) {
        auto bits = static_cast<std::uint32_t>(random());
        if (dtype != DType::kF32) bits &= 0xFFFFU;
        if (std::fabs(widen(dtype, bits)) < bound) return bits;
      }
    };
  };
  return {
      {"any codes", any_below(16), any_below(8)},
      {"normal", normal(0.02F), normal(0.3F)},
      {"narrow", spread(-8, -6), spread(-10, -7)},
      {"spread", spread(-130, 3), spread(-30, 3)},
      {"tiny weights", spread(-127, -120), spread(-12, 3)},
      {"denormal weights", denormal, spread(-12, 2)},
      {"denormal deltas", spread(-10, 3), denormal},
      {"zeros", zeros_in(normal(1)), zeros_in(normal(0.02F))},
      {"negative zeros", few({-0.0F}), few({-2, -1, -0.0F, 0, 1, 0x1p-130F, -0x1p-130F})},
      {"powers", power(-100, 3), power(-12, 3)},
      {"ties", few({1, -1, 1.0078125F, 1.9921875F, 1.5F, 0x1p-126F, -0x1p-125F}), power(-14, -6)},
      {"one delta", normal(0.02F), few({0.25F, -0.25F})},
  };
}

/// Ordinary elements.
inline ElementSet normal_set() { return element_sets()[1]; }

}  // namespace contourfuse::test
