"""Correctly rounded fused multiply-adds and conversions on numpy arrays, from error-free transformations."""

import ml_dtypes
import numpy as np

BF16 = np.dtype(ml_dtypes.bfloat16)
F16 = np.dtype(np.float16)
F32 = np.dtype(np.float32)

_VELTKAMP = np.float64(2.0**27 + 1)


def two_sum(a, b):
    """Knuth: s = fl(a + b) and e with s + e = a + b exactly, for any order of magnitude."""
    s = a + b
    bb = s - a
    return s, (a - (s - bb)) + (b - bb)


def two_product(a, b):
    """Dekker: p = fl(a * b) and e with p + e = a * b exactly (no overflow in the split, e not subnormal)."""
    p = a * b
    t = _VELTKAMP * a
    ah = t - (t - a)
    al = a - ah
    t = _VELTKAMP * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def add_round_to_odd(a, b):
    """a + b in f64, rounded to odd: of the two neighbours of an inexact sum the one with an odd significand.

    A later rounding to a format with at least two bits less is then a single rounding of the exact sum.
    """
    s, e = two_sum(a, b)
    s = np.atleast_1d(np.asarray(s, np.float64))
    e = np.broadcast_to(e, s.shape)
    even = (s.view(np.uint64) & np.uint64(1)) == 0
    nudge = np.isfinite(s) & (e != 0) & even
    return np.where(nudge, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)


def fma32(a, b, c):
    """fmaf(a, b, c) for f32 arrays: the f64 product is exact (48 bits), its sum with c is rounded to odd, then once to f32."""
    with np.errstate(all="ignore"):
        p = np.asarray(a, np.float64) * np.asarray(b, np.float64)
        return add_round_to_odd(p, np.asarray(c, np.float64)).astype(np.float32)


def fma64(a, b, c):
    """fma(a, b, c) for f64 arrays (Boldo and Melquiond 2008), away from overflow and underflow."""
    uh, ul = two_product(a, b)
    th, tl = two_sum(c, ul)
    vh, vl = two_sum(uh, th)
    return vh + add_round_to_odd(tl, vl)


def widen(stored):
    """A bf16, f16 or f32 array to f32, exactly."""
    stored = np.asarray(stored)
    if stored.dtype == BF16:
        return (stored.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    if stored.dtype in (F16, F32):
        return stored.astype(np.float32)
    raise TypeError(f"{stored.dtype} is no dtype that fusion edits")


def round_nearest(x, dtype):
    """f32 to `dtype`, ties to even."""
    x = np.ascontiguousarray(x, np.float32)
    with np.errstate(over="ignore"):
        if dtype == BF16:
            bits = x.view(np.uint32)
            kept = bits >> np.uint32(16)
            rounded = ((bits + np.uint32(0x7FFF) + (kept & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)
            return np.where(np.isnan(x), np.uint16(0x7FFF), rounded).view(BF16)
        if dtype == F16:
            return np.where(np.isnan(x), np.uint16(0x7FFF), x.astype(F16).view(np.uint16)).view(F16)
    return x.astype(dtype)


def round_stochastic(x, dtype, words):
    """Finite f32 to `dtype`: the magnitude plus `words` modulo 2^k, truncated, where k bits are discarded."""
    x = np.ascontiguousarray(x, np.float32)
    if dtype == F32:
        return x.copy()
    bits = x.view(np.uint32).astype(np.uint64)
    sign = (bits >> np.uint64(31)) << np.uint64(15)
    magnitude = bits & np.uint64(0x7FFFFFFF)
    words = words.astype(np.uint64)
    if dtype == BF16:
        out = (magnitude + (words & np.uint64(0xFFFF))) >> np.uint64(16)
        return (sign | out).astype(np.uint16).view(BF16)
    biased = magnitude >> np.uint64(23)
    exponent = biased.astype(np.int64) - 127
    # Normal results drop 13 bits; the exponent bias goes from 127 to 15.
    normal = (magnitude + (words & np.uint64(0x1FFF))) >> np.uint64(13)
    normal = np.minimum(normal.astype(np.int64) - (112 << 10), 0x7C00)
    # Results below 2^-14 are multiples of 2^-24: of the 24-bit significand k = -1 - e bits go.
    significand = (magnitude & np.uint64(0x7FFFFF)) | np.where(biased > 0, np.uint64(1 << 23), np.uint64(0))
    k = -1 - exponent
    shift = np.clip(k, 0, 40).astype(np.uint64)
    random = words & ((np.uint64(1) << shift) - np.uint64(1))
    subnormal = np.where(k > 32, np.uint64(0), (significand + random) >> shift).astype(np.int64)
    out = np.where(exponent >= -14, normal, subnormal).astype(np.uint64)
    return (sign | out).astype(np.uint16).view(F16)
