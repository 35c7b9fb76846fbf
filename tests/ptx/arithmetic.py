"""Floating-point arithmetic with one rounding to nearest even, on arrays, as PTX's .rn asks."""

from fractions import Fraction

import numpy as np

CANONICAL_NAN32 = np.uint32(0x7FFFFFFF).view(np.float32)
_SPLITTER = np.float64(2.0**27 + 1)
# Between these magnitudes of factors and addend no step of _fma64_ordinary overflows or underflows:
# every intermediate is a multiple of 2^-952 below 2^962.
_LEAST_FACTOR, _LEAST_ADDEND, _MOST_FACTOR, _MOST_ADDEND = 2.0**-400, 2.0**-900, 2.0**480, 2.0**960


def two_sum(a, b):
    """s = fl(a + b) and e with s + e = a + b exactly."""
    s = a + b
    virtual = s - a
    return s, (a - (s - virtual)) + (b - virtual)


def sum_to_odd(a, b):
    """f64 a + b, an inexact sum rounded to the neighbour whose last bit is set.

    Rounding it again, to a format at least two bits shorter, then rounds the exact sum once.
    """
    s, e = two_sum(a, b)
    bits = s.view(np.int64)
    nudged = (e != 0) & ((bits & 1) == 0) & np.isfinite(s)
    if not nudged.any():
        return s
    # One step of the bits away from zero where the error has the sign of the sum, else towards it.
    step = np.where((e > 0) == (s > 0), 1, -1)
    return (bits + np.where(nudged, step, 0)).view(np.float64)


def fma32(a, b, c):
    """f32: the product of two f32 is exact in f64, and so are all of their subnormal products."""
    product = a.astype(np.float64) * b.astype(np.float64)
    return sum_to_odd(product, c.astype(np.float64)).astype(np.float32)


def _fma64_ordinary(a, b, c):
    """Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums" (2008)."""
    product = a * b
    scaled = a * _SPLITTER
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = b * _SPLITTER
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    if not error.any():
        return product + c
    sum_high, sum_low = two_sum(c, error)
    high, low = two_sum(product, sum_high)
    return high + sum_to_odd(sum_low, low)


def fma64(a, b, c):
    a, b, c = np.broadcast_arrays(a, b, c)
    factors_fit = _within(a, _LEAST_FACTOR, _MOST_FACTOR) & _within(b, _LEAST_FACTOR, _MOST_FACTOR)
    ordinary = factors_fit & (_within(c, _LEAST_ADDEND, _MOST_ADDEND) | (c == 0))
    if ordinary.all():
        return _fma64_ordinary(a, b, c)
    # Filling the others' places with 1 keeps the arrays whole.
    result = _fma64_ordinary(*(np.where(ordinary, v, 1.0) for v in (a, b, c)))
    # A zero product is exact; an infinite or NaN factor or addend decides alone.
    plain = ~ordinary & ((a == 0) | (b == 0) | ~np.isfinite(a) | ~np.isfinite(b))
    result = np.where(plain, a * b + c, result)
    rest = ~ordinary & ~plain
    result = np.where(rest & ~np.isfinite(c), c, result)
    for i in np.flatnonzero(rest & np.isfinite(c)):
        result[i] = _fma64_exact(a[i], b[i], c[i])
    return result


def _within(x, least, most):
    magnitude = np.abs(x)
    return (magnitude >= least) & (magnitude <= most)


def _fma64_exact(a, b, c):
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if exact == 0:
        return 0.0
    try:
        # Dividing integers rounds once, also to subnormals.
        rounded = exact.numerator / exact.denominator
    except OverflowError:
        rounded = np.inf if exact > 0 else -np.inf
    return np.copysign(rounded, 1.0 if exact > 0 else -1.0)


def fma(a, b, c):
    return fma32(a, b, c) if a.dtype == np.float32 else fma64(a, b, c)


def canonical_nan(values):
    """f32 NaNs as the hardware's arithmetic makes them; f64 ones keep what they are."""
    if values.dtype == np.float32:
        nan = np.isnan(values)
        if nan.any():
            return np.where(nan, CANONICAL_NAN32, values)
    return values


def minimum(a, b):
    """-0 lies below +0, and a NaN loses to a number."""
    lower = (a < b) | ((a == b) & np.signbit(a))
    return np.where(np.isnan(a), b, np.where(np.isnan(b) | lower, a, b))


def maximum(a, b):
    higher = (a > b) | ((a == b) & ~np.signbit(a))
    return np.where(np.isnan(a), b, np.where(np.isnan(b) | higher, a, b))


def to_bf16(values):
    """f32 → bits of bf16."""
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(values), np.uint32(0x7FFF), rounded).astype(np.uint16)


def to_f16(values):
    """f32 → f16."""
    return np.where(
        np.isnan(values), np.uint16(0x7FFF), values.astype(np.float16).view(np.uint16)
    ).view(np.float16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def narrow_directed(values, mode):
    """f64 → f32 towards zero (rz), minus (rm) or plus (rp) infinity."""
    nearest = values.astype(np.float32)
    below = nearest.astype(np.float64) < values
    above = nearest.astype(np.float64) > values
    up = below & ((mode == "rp") | ((mode == "rz") & (values < 0)))
    down = above & ((mode == "rm") | ((mode == "rz") & (values > 0)))
    target = np.where(up, np.float32(np.inf), np.float32(-np.inf)).astype(np.float32)
    return np.where(up | down, np.nextafter(nearest, target), nearest)


def float_to_integer(values, dtype, mode):
    """Saturating; a NaN gives 0 between types of at most 32 bits, else the sign bit (PTX 9.0)."""
    rounded = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}[mode](values)
    limits = np.iinfo(dtype)
    # max + 1 is a power of two, so exact in any float type that reaches it.
    too_high = rounded >= float(int(limits.max) + 1)
    too_low = rounded < limits.min
    nan = np.isnan(values)
    inside = np.where(too_high | too_low | nan, 0, rounded).astype(dtype)
    wide = values.dtype == np.float64 or dtype.itemsize == 8
    of_nan = (
        dtype.type(limits.min if dtype.kind == "i" else limits.max // 2 + 1)
        if wide
        else dtype.type(0)
    )
    result = np.where(
        too_high, dtype.type(limits.max), np.where(too_low, dtype.type(limits.min), inside)
    )
    return np.where(nan, of_nan, result)


def high_product(a, b):
    """The upper half of the double-width product of two integer arrays of one type."""
    dtype = a.dtype
    if dtype.itemsize < 8:
        wide = np.dtype(f"{dtype.kind}{2 * dtype.itemsize}")
        return ((a.astype(wide) * b.astype(wide)) >> wide.type(8 * dtype.itemsize)).astype(dtype)
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    ua, ub = a.view(np.uint64), b.view(np.uint64)
    a_high, a_low, b_high, b_low = ua >> half, ua & mask, ub >> half, ub & mask
    middle = a_high * b_low + ((a_low * b_low) >> half)
    cross = a_low * b_high + (middle & mask)
    high = a_high * b_high + (middle >> half) + (cross >> half)
    if dtype.kind == "i":
        # A negative factor was read 2^64 too high.
        zero = np.uint64(0)
        high = high - np.where(a < 0, ub, zero) - np.where(b < 0, ua, zero)
    return high.view(dtype)
