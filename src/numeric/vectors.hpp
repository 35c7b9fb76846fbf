// Vectors of one level's native width, for kernels whose sums must stay in registers. Included by
// level files alone: what it defines depends on the level.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "contourfuse/numeric/float_formats.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

#if defined(__AVX512F__)
inline constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr std::size_t kVectorBytes = 32;
#else
inline constexpr std::size_t kVectorBytes = 16;
#endif
inline constexpr std::size_t kDoubles = kVectorBytes / 8;
inline constexpr std::size_t kFloats = kVectorBytes / 4;

using Doubles = double __attribute__((vector_size(kVectorBytes)));
using LongWords = std::uint64_t __attribute__((vector_size(kVectorBytes)));
using Floats = float __attribute__((vector_size(kVectorBytes)));
using Words = std::uint32_t __attribute__((vector_size(kVectorBytes)));
using Masks = std::int32_t __attribute__((vector_size(kVectorBytes)));  // −1 where true

template <class Vector>
CONTOURFUSE_HOST_DEVICE Vector load(const void* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

/// Into the second-level cache, which two more blocks fit; of any address, mapped or not.
CONTOURFUSE_HOST_DEVICE void prefetch(const void* address) { __builtin_prefetch(address, 0, 2); }

template <class To, class From>
CONTOURFUSE_HOST_DEVICE To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

/// Finite elements of stored bits; as Format::widen, less the case of an infinity.
template <class Format, class AnyWords, class AnyFloats>
CONTOURFUSE_HOST_DEVICE AnyFloats widen(AnyWords stored) {
  if constexpr (std::is_same_v<Format, Bf16>) {
    return same_bits<AnyFloats>(stored << 16);
  } else if constexpr (std::is_same_v<Format, F16>) {
    const AnyFloats scaled = same_bits<AnyFloats>((stored & 0x7FFFU) << 13) * 0x1p112F;
    return same_bits<AnyFloats>(same_bits<AnyWords>(scaled) | ((stored & 0x8000U) << 16));
  } else {
    return same_bits<AnyFloats>(stored);
  }
}

#if defined(__AVX2__)
// g++ 12 widens in halves that it puts together again; hence the intrinsics. The masked forms are
// those that it does not warn of.
#if defined(__AVX512F__)
using FloatsOfDoubles = __m256;
CONTOURFUSE_HOST_DEVICE Words widen_halves(const void* from) {
  return same_bits<Words>(_mm512_maskz_cvtepu16_epi32(0xFFFF, load<__m256i>(from)));
}
CONTOURFUSE_HOST_DEVICE auto widen_few_halves(const void* from) {
  return _mm256_cvtepu16_epi32(load<__m128i>(from));
}
CONTOURFUSE_HOST_DEVICE Doubles widen_floats(FloatsOfDoubles floats) {
  return _mm512_maskz_cvtps_pd(0xFF, floats);
}
#else
using FloatsOfDoubles = __m128;
CONTOURFUSE_HOST_DEVICE Words widen_halves(const void* from) {
  return same_bits<Words>(_mm256_cvtepu16_epi32(load<__m128i>(from)));
}
CONTOURFUSE_HOST_DEVICE auto widen_few_halves(const void* from) {
  return _mm_cvtepu16_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from)));
}
CONTOURFUSE_HOST_DEVICE Doubles widen_floats(FloatsOfDoubles floats) {
  return _mm256_cvtps_pd(floats);
}
#endif
#endif

/// kDoubles finite elements as f64; exact.
template <class Format>
CONTOURFUSE_HOST_DEVICE Doubles load_doubles(const typename Format::Stored* from) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<Format, F32>) {
    return widen_floats(load<FloatsOfDoubles>(from));
#if !defined(__AVX512F__)
  } else if constexpr (std::is_same_v<Format, Bf16>) {
    // One shuffle puts each element into the high half of a lane.
    const __m128i places = _mm_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7);
    const __m128i stored =
        _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(from)));
    return widen_floats(_mm_castsi128_ps(_mm_shuffle_epi8(stored, places)));
#endif
  } else {
    using Few = std::uint32_t __attribute__((vector_size(kVectorBytes / 2)));
    using FewFloats = float __attribute__((vector_size(kVectorBytes / 2)));
    return widen_floats(widen<Format, Few, FewFloats>(same_bits<Few>(widen_few_halves(from))));
  }
#else
  // Halves of so few lanes have no vector type that the compiler handles well.
  return Doubles{static_cast<double>(Format::widen(from[0])),
                 static_cast<double>(Format::widen(from[1]))};
#endif
}

/// 2·kDoubles finite elements as f64, exact, in the order that store_pair() undoes: where bf16 can
/// be widened without a shuffle, those of even place and those of odd.
template <class Format>
CONTOURFUSE_HOST_DEVICE void load_pair(const typename Format::Stored* from, Doubles (&pair)[2]) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<Format, Bf16>) {
    using Few = std::uint32_t __attribute__((vector_size(kVectorBytes / 2)));
    const auto stored = load<Few>(from);
    pair[0] = widen_floats(same_bits<FloatsOfDoubles>(stored << 16));
    pair[1] = widen_floats(same_bits<FloatsOfDoubles>(stored & 0xFFFF0000U));
    return;
  }
#endif
  pair[0] = load_doubles<Format>(from);
  pair[1] = load_doubles<Format>(from + kDoubles);
}

/// Sums of what load_pair() loaded, in the order of the elements.
template <class Format>
CONTOURFUSE_HOST_DEVICE void store_pair(double* lanes, const Doubles (&pair)[2]) {
  Doubles first = pair[0];
  Doubles second = pair[1];
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<Format, Bf16>) {
    first = __builtin_shufflevector(pair[0], pair[1], 0, 8, 1, 9, 2, 10, 3, 11);
    second = __builtin_shufflevector(pair[0], pair[1], 4, 12, 5, 13, 6, 14, 7, 15);
  }
#elif defined(__AVX2__)
  if constexpr (std::is_same_v<Format, Bf16>) {
    first = __builtin_shufflevector(pair[0], pair[1], 0, 4, 1, 5);
    second = __builtin_shufflevector(pair[0], pair[1], 2, 6, 3, 7);
  }
#endif
  std::memcpy(lanes, &first, sizeof first);
  std::memcpy(lanes + kDoubles, &second, sizeof second);
}

/// The stored bits of kFloats elements.
template <class Format>
CONTOURFUSE_HOST_DEVICE Words load_words(const typename Format::Stored* from) {
  if constexpr (std::is_same_v<Format, F32>) {
    return load<Words>(from);
  } else {
#if defined(__AVX2__)
    return widen_halves(from);
#else
    using Halves = std::uint16_t __attribute__((vector_size(kVectorBytes / 2)));
    return __builtin_convertvector(load<Halves>(from), Words);
#endif
  }
}

/// fma(a, b, c), rounded once.
CONTOURFUSE_HOST_DEVICE Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  Floats sum = c;
  for (std::size_t lane = 0; lane < kFloats; ++lane) sum[lane] = fmaf(a[lane], b[lane], c[lane]);
  return sum;
#endif
}

/// fma(a, b, c) where the product is exact in f64, as that of two widened elements always is: a
/// multiplication and an addition round the same.
CONTOURFUSE_HOST_DEVICE Doubles add_exact_product(Doubles a, Doubles b, Doubles c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}

/// fma(x, x, c) of any x.
CONTOURFUSE_HOST_DEVICE Doubles add_square(Doubles x, Doubles c) {
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
  return add_exact_product(x, x, c);
#else
  // The square of an x of at most 26 bits is exact, and most differences of weights are so short.
  constexpr std::uint64_t kBeyond26Bits = (std::uint64_t{1} << 27) - 1;
  const LongWords beyond = same_bits<LongWords>(x) & kBeyond26Bits;
  std::uint64_t any = 0;
  for (std::size_t lane = 0; lane < kDoubles; ++lane) any |= beyond[lane];
  if (any == 0) return x * x + c;
  Doubles sum = c;
  for (std::size_t lane = 0; lane < kDoubles; ++lane)
    sum[lane] = std::fma(x[lane], x[lane], c[lane]);
  return sum;
#endif
}

CONTOURFUSE_HOST_DEVICE Doubles absolute(Doubles x) {
  constexpr std::uint64_t kAllButSign = ~(std::uint64_t{1} << 63);
  return same_bits<Doubles>(same_bits<LongWords>(x) & kAllButSign);
}

/// a > b ? a : b in each lane. (With AVX-512 the masked form: g++ 12 warns of the plain one.)
CONTOURFUSE_HOST_DEVICE Doubles larger(Doubles a, Doubles b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_pd(0xFF, a, b);
#elif defined(__AVX2__)
  return _mm256_max_pd(a, b);
#elif defined(__SSE2__)
  return _mm_max_pd(a, b);
#else
  return a > b ? a : b;
#endif
}

/// The larger of |a| and b in each lane; b is no less than 0.
CONTOURFUSE_HOST_DEVICE Doubles larger_magnitude(Doubles a, Doubles b) {
#if defined(__AVX512DQ__)
  constexpr int kGreatestMagnitudeAsPositive = 0b1011;
  return _mm512_maskz_range_pd(0xFF, a, b, kGreatestMagnitudeAsPositive);
#else
  return larger(absolute(a), b);
#endif
}

/// The product of the low halves of each lane.
CONTOURFUSE_HOST_DEVICE LongWords multiply_low_words(LongWords a, LongWords b) {
#if defined(__AVX512F__)
  return same_bits<LongWords>(
      _mm512_maskz_mul_epu32(0xFF, same_bits<__m512i>(a), same_bits<__m512i>(b)));
#elif defined(__AVX2__)
  return same_bits<LongWords>(_mm256_mul_epu32(same_bits<__m256i>(a), same_bits<__m256i>(b)));
#elif defined(__SSE2__)
  return same_bits<LongWords>(_mm_mul_epu32(same_bits<__m128i>(a), same_bits<__m128i>(b)));
#else
  constexpr std::uint64_t kLowWord = 0xFFFFFFFFU;
  return (a & kLowWord) * (b & kLowWord);
#endif
}

}  // namespace
}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
