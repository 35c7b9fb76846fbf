// The diff kernels. Compiled once per instruction-set level into CONTOURFUSE_KERNELS_NAMESPACE; the
// loops are shaped for the compiler's vectoriser.
#include "fusion/diff_kernels.hpp"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "numeric/blocks.hpp"
#include "numeric/pair_sums.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

// Half of the lanes whose sums stay in registers.
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

/// Elements as f32, which holds every f16, in a whole block.
CONTOURFUSE_HOST_DEVICE void widen_block(const std::byte* bytes, std::size_t count,
                                         F32::Stored* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = F32::narrow(F16::widen(load<F16::Stored>(bytes, i)));
  }
  for (std::size_t i = count; i < kBlockElements; ++i) out[i] = 0;
}

template <class Format>
PairSums block_pair_sums(const std::byte* a, const std::byte* b, std::size_t count) {
  if constexpr (std::is_same_v<Format, F16>) {  // vectors do not know its infinities
    alignas(kCacheLine) F32::Stored wide_a[kBlockElements];
    alignas(kCacheLine) F32::Stored wide_b[kBlockElements];
    widen_block(a, count, wide_a);
    widen_block(b, count, wide_b);
    return pair_sums<F32>(wide_a, wide_b);
  } else {
    using Stored = typename Format::Stored;
    const auto stored = [](const std::byte* bytes) {
      return static_cast<const Stored*>(static_cast<const void*>(bytes));
    };
    alignas(kCacheLine) Stored padded_a[kBlockElements];
    alignas(kCacheLine) Stored padded_b[kBlockElements];
    return pair_sums<Format>(whole_block(stored(a), count, padded_a),
                             whole_block(stored(b), count, padded_b));
  }
}

template <class Format>
DiffSums block_sums(const std::byte* a, const std::byte* b, std::size_t count) {
  const PairSums sums = block_pair_sums<Format>(a, b, count);
  return {sums.a2, sums.b2, sums.change2, sums.product, sums.max_change};
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
