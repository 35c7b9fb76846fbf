// The diff kernels. Compiled once per instruction-set level into CONTOURFUSE_KERNELS_NAMESPACE; the
// loops are shaped for the compiler's vectoriser.
#include "fusion/diff_kernels.hpp"

#include <cmath>
#include <cstring>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/moments.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

// Lanes whose accumulators stay in registers: 5 of f64 each.
#if defined(__AVX512F__)
constexpr std::size_t kGroup = 16;
#else
constexpr std::size_t kGroup = 4;
#endif
constexpr std::size_t kRangeBlocks = kRangeElements / kBlockElements;

template <class Stored>
CONTOURFUSE_HOST_DEVICE Stored load(const std::byte* bytes, std::size_t index) {
  Stored value;
  std::memcpy(&value, bytes + index * sizeof value, sizeof value);
  return value;
}

/// Lane sums of one block.
struct Lanes {
  alignas(64) double a2[kLanes];
  alignas(64) double b2[kLanes];
  alignas(64) double change2[kLanes];
  alignas(64) double product[kLanes];
  alignas(64) double max_change[kLanes];
};

/// One element of each of kGroup lanes added to accumulators; `width` < kGroup in a last row.
template <class Format>
CONTOURFUSE_HOST_DEVICE void add_row(const std::byte* a, const std::byte* b, std::size_t at,
                                     std::size_t width, double* a2, double* b2, double* change2,
                                     double* product, double* max_change) {
  // Arrays in between, one operation a loop: what g++ 12 made fastest of this.
  double x[kGroup];
  double y[kGroup];
  for (std::size_t lane = 0; lane < width; ++lane) {
    x[lane] = static_cast<double>(Format::widen(load<typename Format::Stored>(a, at + lane)));
  }
  for (std::size_t lane = 0; lane < width; ++lane) {
    y[lane] = static_cast<double>(Format::widen(load<typename Format::Stored>(b, at + lane)));
  }
  // Exact products: f32 has 24 bits, f64 53.
  for (std::size_t lane = 0; lane < width; ++lane) a2[lane] = a2[lane] + x[lane] * x[lane];
  for (std::size_t lane = 0; lane < width; ++lane) b2[lane] = b2[lane] + y[lane] * y[lane];
  for (std::size_t lane = 0; lane < width; ++lane) {
    product[lane] = product[lane] + x[lane] * y[lane];
  }
  for (std::size_t lane = 0; lane < width; ++lane) {
    const double change = y[lane] - x[lane];
    const double magnitude = std::fabs(change);
    change2[lane] = std::fma(change, change, change2[lane]);
    max_change[lane] = magnitude > max_change[lane] ? magnitude : max_change[lane];
  }
}

template <class Format>
DiffSums block_sums(const std::byte* a, const std::byte* b, std::size_t count) {
  Lanes lanes;
  const std::size_t whole_rows = count / kLanes;
  const std::size_t rest = count % kLanes;
  for (std::size_t first = 0; first < kLanes; first += kGroup) {
    double a2[kGroup] = {};
    double b2[kGroup] = {};
    double change2[kGroup] = {};
    double product[kGroup] = {};
    double max_change[kGroup] = {};
    for (std::size_t row = 0; row < whole_rows; ++row) {
      add_row<Format>(a, b, row * kLanes + first, kGroup, a2, b2, change2, product, max_change);
    }
    if (first < rest) {
      const std::size_t width = rest - first < kGroup ? rest - first : kGroup;
      add_row<Format>(a, b, whole_rows * kLanes + first, width, a2, b2, change2, product,
                      max_change);
    }
    std::memcpy(lanes.a2 + first, a2, sizeof a2);
    std::memcpy(lanes.b2 + first, b2, sizeof b2);
    std::memcpy(lanes.change2 + first, change2, sizeof change2);
    std::memcpy(lanes.product + first, product, sizeof product);
    std::memcpy(lanes.max_change + first, max_change, sizeof max_change);
  }
  double max_change = 0;
  for (const double lane : lanes.max_change) max_change = lane > max_change ? lane : max_change;
  return {fold_lanes(lanes.a2), fold_lanes(lanes.b2), fold_lanes(lanes.change2),
          fold_lanes(lanes.product), max_change};
}

template <class Format>
double block_squares(const std::byte* a, std::size_t count) {
  alignas(64) double lanes[kLanes];
  const std::size_t whole_rows = count / kLanes;
  const std::size_t rest = count % kLanes;
  constexpr std::size_t kWide = 2 * kGroup;
  for (std::size_t first = 0; first < kLanes; first += kWide) {
    double squares[kWide] = {};
    const auto add = [&](std::size_t at, std::size_t width) {
      for (std::size_t lane = 0; lane < width; ++lane) {
        const auto x =
            static_cast<double>(Format::widen(load<typename Format::Stored>(a, at + lane)));
        squares[lane] = squares[lane] + x * x;
      }
    };
    for (std::size_t row = 0; row < whole_rows; ++row) add(row * kLanes + first, kWide);
    if (first < rest) {
      add(whole_rows * kLanes + first, rest - first < kWide ? rest - first : kWide);
    }
    std::memcpy(lanes + first, squares, sizeof squares);
  }
  return fold_lanes(lanes);
}

template <class Format>
DiffSums range_sums(const std::byte* a, const std::byte* b, std::size_t count) {
  DiffSums blocks[kRangeBlocks];
  std::size_t used = 0;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t in_block = count - first < kBlockElements ? count - first : kBlockElements;
    const std::size_t offset = first * sizeof(typename Format::Stored);
    blocks[used++] = block_sums<Format>(a + offset, b + offset, in_block);
  }
  return fold_pairwise(blocks, used);
}

template <class Format>
DiffSums equal_sums(const std::byte* a, std::size_t count) {
  double blocks[kRangeBlocks];
  std::size_t used = 0;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t in_block = count - first < kBlockElements ? count - first : kBlockElements;
    blocks[used++] = block_squares<Format>(a + first * sizeof(typename Format::Stored), in_block);
  }
  const double squares = fold_pairwise(blocks, used);
  return {squares, squares, 0, squares, 0};
}

template <class Stored>
std::uint64_t changed(const std::byte* a, const std::byte* b, std::size_t count) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    total += load<Stored>(a, i) != load<Stored>(b, i) ? 1U : 0U;
  }
  return total;
}

DiffSums sums(DType dtype, const std::byte* a, const std::byte* b, std::size_t count) {
  switch (dtype) {
    case DType::kBF16:
      return range_sums<Bf16>(a, b, count);
    case DType::kF16:
      return range_sums<F16>(a, b, count);
    case DType::kF32:
      return range_sums<F32>(a, b, count);
    default:
      return {};  // not editable: the caller's bound
  }
}

DiffSums sums_of_equal(DType dtype, const std::byte* a, std::size_t count) {
  switch (dtype) {
    case DType::kBF16:
      return equal_sums<Bf16>(a, count);
    case DType::kF16:
      return equal_sums<F16>(a, count);
    case DType::kF32:
      return equal_sums<F32>(a, count);
    default:
      return {};
  }
}

std::uint64_t count_changed(std::uint64_t bits, const std::byte* a, const std::byte* b,
                            std::size_t count) {
  switch (bits) {
    case 8:
      return changed<std::uint8_t>(a, b, count);
    case 16:
      return changed<std::uint16_t>(a, b, count);
    case 32:
      return changed<std::uint32_t>(a, b, count);
    default:
      return changed<std::uint64_t>(a, b, count);
  }
}

}  // namespace

// Declared where the levels are chosen.
DiffKernels diff_kernels();
DiffKernels diff_kernels() { return {sums, sums_of_equal, count_changed}; }

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
