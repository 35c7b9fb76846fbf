// What a fuse gives, element after element, in the plainest way: from numeric's element functions
// and docs/numerics.md alone.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse::test {

inline constexpr DType kEditable[] = {DType::kBF16, DType::kF16, DType::kF32};

inline std::uint32_t load(DType dtype, const std::byte* at) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, editable_bytes(dtype));  // little-endian, as the files are
  return bits;
}
inline void store(DType dtype, std::byte* at, std::uint32_t bits) {
  std::memcpy(at, &bits, editable_bytes(dtype));
}
inline float widen(DType dtype, std::uint32_t bits) {
  if (dtype == DType::kF32) return float_of_bits(bits);
  const auto half = static_cast<std::uint16_t>(bits);
  return dtype == DType::kBF16 ? Bf16::widen(half) : F16::widen(half);
}
inline std::uint32_t narrow(DType dtype, float value, std::optional<std::uint32_t> random) {
  if (dtype == DType::kF32) return bits_of_float(value);
  if (dtype == DType::kBF16) {
    return random ? narrow_stochastic<Bf16>(value, *random) : Bf16::narrow(value);
  }
  return random ? narrow_stochastic<F16>(value, *random) : F16::narrow(value);
}

/// How a matrix's elements are edited.
struct Edit {
  DType weight = DType::kBF16;
  DType delta = DType::kBF16;
  ScfRole role = ScfRole::kDown;
  float parameter = 0;
  bool stochastic = false;
  std::uint64_t seed = 0;
  std::uint64_t tensor_hash = 0;

  [[nodiscard]] float contour(std::uint32_t d) const {
    const float value = widen(delta, d);
    return role == ScfRole::kDown ? contour_down(value, parameter) : contour_gate(value, parameter);
  }
  [[nodiscard]] std::uint32_t result(std::uint32_t w, std::uint32_t d, std::uint64_t index) const {
    std::optional<std::uint32_t> random;
    if (stochastic) random = rounding_bits(seed, tensor_hash, index);
    return narrow(weight, apply_contour(contour(d), widen(weight, w)), random);
  }
};

/// Pairwise fold as a recursion.
template <class Value>
Value folded(std::span<const Value> values) {
  if (values.empty()) return {};
  if (values.size() == 1) return values[0];
  const std::size_t left = std::bit_floor(values.size() - 1);
  return folded(values.first(left)) + folded(values.subspan(left));
}

/// A sum by the block scheme, whatever the number of its terms.
class BlockSum {
 public:
  /// Adds x·y as the next element's term.
  void add_product(double x, double y) {
    double& lane = next();
    lane = std::fma(x, y, lane);
  }
  void add(double x) {
    double& lane = next();
    lane = lane + x;
  }
  void skip() { static_cast<void>(next()); }
  [[nodiscard]] double sum() const {
    std::vector<double> blocks;
    for (std::size_t first = 0; first < lanes_.size(); first += kLanes) {
      blocks.push_back(fold({lanes_.data() + first, kLanes}, 0, 1));
    }
    return folded(std::span<const double>(blocks));
  }

 private:
  double& next() {
    if (count_ % kBlockElements == 0) lanes_.resize(lanes_.size() + kLanes);
    double& lane = lanes_[count_ / kBlockElements * kLanes + count_ % kBlockElements % kLanes];
    ++count_;
    return lane;
  }
  static double fold(std::span<const double> lanes, std::size_t first, std::size_t stride) {
    if (stride == lanes.size()) return lanes[first];
    return fold(lanes, first, 2 * stride) + fold(lanes, first + stride, 2 * stride);
  }
  std::vector<double> lanes_{};
  std::uint64_t count_ = 0;
};

/// The record of elements that come one by one.
class ReferenceRecord {
 public:
  void add(const Edit& edit, std::uint32_t w_bits, std::uint32_t d_bits, std::uint32_t out_bits) {
    const auto w = static_cast<double>(widen(edit.weight, w_bits));
    const auto out = static_cast<double>(widen(edit.weight, out_bits));
    const auto d = static_cast<double>(widen(edit.delta, d_bits));
    const auto t = static_cast<double>(edit.contour(d_bits));
    const bool moved = t != 0 && w != 0;
    if (moved) ++counts_.moved;
    if (w_bits != out_bits) ++counts_.changed;
    if (moved && w_bits == out_bits) ++counts_.lost;
    if (edit.role == ScfRole::kGate && std::fabs(d) > static_cast<double>(edit.parameter)) {
      ++counts_.clamped;
    }
    if (t < -1 && w != 0) ++counts_.sign_flips;
    if (w == 0) ++counts_.zero_weights;
    const double c = out - w;
    weight2_.add_product(w, w);
    out2_.add_product(out, out);
    change2_.add_product(c, c);
    change_.add(c);
    weight_out_.add_product(w, out);
    max_change_ = std::fmax(max_change_, std::fabs(c));
  }
  void keep_nonfinite() {
    ++counts_.nonfinite_kept;
    for (BlockSum* sum : {&weight2_, &out2_, &change2_, &change_, &weight_out_}) sum->skip();
  }
  [[nodiscard]] const RecordCounts& counts() const { return counts_; }
  [[nodiscard]] RecordSums sums() const {
    return {weight2_.sum(), out2_.sum(),       change2_.sum(),
            change_.sum(),  weight_out_.sum(), max_change_};
  }

 private:
  RecordCounts counts_{};
  BlockSum weight2_{}, out2_{}, change2_{}, change_{}, weight_out_{};
  double max_change_ = 0;
};

/// Moments of the finite ones of elements that come one by one.
class ReferenceMoments {
 public:
  void add(float value) {
    if (!std::isfinite(value)) {
      sum_.skip();
      squares_.skip();
      return;
    }
    const auto x = static_cast<double>(value);
    sum_.add(x);
    squares_.add_product(x, x);
    ++finite;
    smallest = std::fmin(smallest, value);
    largest = std::fmax(largest, value);
  }
  [[nodiscard]] double sum() const { return sum_.sum(); }
  [[nodiscard]] double sum_squares() const { return squares_.sum(); }
  [[nodiscard]] double sigma() const {
    const auto n = static_cast<double>(finite);
    const double mean = sum() / n;
    return std::sqrt(std::fmax(0.0, sum_squares() / n - mean * mean));
  }
  std::uint64_t finite = 0;
  float smallest = std::numeric_limits<float>::infinity();
  float largest = -std::numeric_limits<float>::infinity();

 private:
  BlockSum sum_{}, squares_{};
};

/// Bits of every kind: ±0, denormals, the largest, ordinary ones, and with `nonfinite` NaN and ∞.
inline std::vector<std::byte> mixed_elements(DType dtype, std::size_t count, unsigned seed,
                                             bool nonfinite) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.7F);
  const std::uint32_t sign = dtype == DType::kF32 ? 0x80000000U : 0x8000U;
  const std::uint32_t infinity = narrow(dtype, HUGE_VALF, {});
  std::vector<std::byte> bytes(count * editable_bytes(dtype));
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t bits = narrow(dtype, normal(random), {});
    const auto pick = static_cast<std::uint32_t>(random());
    if (pick % 16U == 0) {
      const std::uint32_t special[] = {0,        1,           2, infinity / 512, infinity - 1,
                                       infinity, infinity + 1};
      bits = special[(pick >> 8) % (nonfinite ? 7U : 5U)] | ((pick >> 16) % 2U != 0 ? sign : 0);
    }
    store(dtype, bytes.data() + i * editable_bytes(dtype), bits);
  }
  return bytes;
}

inline bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
inline bool same_counts(const RecordCounts& a, const RecordCounts& b) {
  return a.moved == b.moved && a.changed == b.changed && a.lost == b.lost &&
         a.clamped == b.clamped && a.sign_flips == b.sign_flips &&
         a.zero_weights == b.zero_weights && a.nonfinite_kept == b.nonfinite_kept;
}
inline bool same_sums(const RecordSums& a, const RecordSums& b) {
  return same_bits(a.weight2, b.weight2) && same_bits(a.out2, b.out2) &&
         same_bits(a.change2, b.change2) && same_bits(a.change, b.change) &&
         same_bits(a.weight_out, b.weight_out) && same_bits(a.max_change, b.max_change);
}

}  // namespace contourfuse::test
