"""exact.py against rational arithmetic, against numpy's and ml_dtypes' own conversions, and with its mistakes planted."""

import math
from fractions import Fraction

import numpy as np
import pytest

from . import exact


def random_f32(rng, n, low=0, high=0x7F7FFFFF):
    """Finite f32 of both signs, uniform over their bit patterns."""
    bits = rng.integers(low, high, n, dtype=np.uint32, endpoint=True) | (rng.integers(0, 2, n, dtype=np.uint32) << 31)
    return bits.view(np.float32)


def nearest_even(value, significand, smallest_exponent, largest):
    """A Fraction rounded to `significand` bits, multiples of 2^smallest_exponent at least; beyond `largest` infinity."""
    if value == 0:
        return 0.0
    sign, value = (-1 if value < 0 else 1), abs(value)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    quantum = max(exponent - significand + 1, smallest_exponent)
    scaled = value / Fraction(2) ** quantum
    rounded = round(scaled) * Fraction(2) ** quantum
    return sign * (math.inf if rounded > largest else float(rounded))


def as_f32(value):
    return nearest_even(value, 24, -149, Fraction(float(np.finfo(np.float32).max)))


def hard_f32_triples(rng, n):
    """a, b near 1 in scale and c such that a*b + c cancels, ties or nearly ties."""
    a = random_f32(rng, n, 0x3F000000, 0x407FFFFF)
    b = random_f32(rng, n, 0x3F000000, 0x407FFFFF)
    c = (a * b).astype(np.float32) * rng.choice(np.float32([-1, 1, 2**24, -(2**25), 2**-24, 2**-40, 2.0**-100]), n)
    return a, b, c.astype(np.float32)


def test_fma32_is_correctly_rounded():
    rng = np.random.default_rng(1)
    parts = [hard_f32_triples(rng, 3000)]
    parts.append(tuple(random_f32(rng, 3000, 0x20000000, 0x5F000000) for _ in range(3)))
    # Results in and around the subnormal range, and f32 subnormals themselves.
    parts.append((random_f32(rng, 3000, 0x1F000000, 0x20000000), random_f32(rng, 3000, 0x1F000000, 0x20000000), random_f32(rng, 3000, 0, 0x00FFFFFF)))
    # w + t w, the form that fusion uses.
    w = random_f32(rng, 3000)
    t = random_f32(rng, 3000, 0x30000000, 0x40000000)
    parts.append((t, w, w))
    a, b, c = (np.concatenate(column) for column in zip(*parts))
    got = exact.fma32(a, b, c)
    for x, y, z, r in zip(a.tolist(), b.tolist(), c.tolist(), got.tolist()):
        assert r == as_f32(Fraction(x) * Fraction(y) + Fraction(z)), (x.hex(), y.hex(), z.hex())


def test_double_rounding_would_be_noticed():
    # 1 + 2^-24 + 2^-60: above the tie by what f64 cannot hold beside the 1.
    a, b, c = np.float32([2.0**-30 * (1 + 2.0**-20)]), np.float32([2.0**-30]), np.float32([0])
    tie = np.float64(1 + 2.0**-24)
    assert np.float32(tie + np.float64(a[0]) * np.float64(b[0])) == 1.0
    assert exact.add_round_to_odd(np.array([tie]), np.float64(a) * np.float64(b)).astype(np.float32)[0] == np.float32(1 + 2.0**-23)
    rng = np.random.default_rng(2)
    # t w falls within 2^-48 of half an ulp of w, one time in 2^5 closer than f64 can tell.
    c = random_f32(rng, 100000, 0x3F800000, 0x3FFFFFFF)
    a = (2.0**-24 / np.abs(c)).astype(np.float32)
    naive = (a.astype(np.float64) * c.astype(np.float64) + c.astype(np.float64)).astype(np.float32)
    ours = exact.fma32(a, c, c)
    assert (naive != ours).any()
    at = np.flatnonzero(naive != ours)[0]
    want = as_f32(Fraction(float(a[at])) * Fraction(float(c[at])) + Fraction(float(c[at])))
    assert float(ours[at]) == want


@pytest.mark.parametrize(
    "a,b,c,bits",
    [(0.5, -0.0, -0.0, 0x80000000), (-0.5, -0.0, -0.0, 0), (0.0, -0.0, -0.0, 0x80000000), (-0.0, -0.0, -0.0, 0), (-1.0, 3.0, 3.0, 0)],
)
def test_fma32_keeps_signs_of_zero(a, b, c, bits):
    got = exact.fma32(np.float32([a]), np.float32([b]), np.float32([c]))
    assert int(got.view(np.uint32)[0]) == bits


def test_fma64_is_correctly_rounded():
    rng = np.random.default_rng(3)
    a = rng.standard_normal(4000) * 2.0 ** rng.integers(-60, 60, 4000)
    b = rng.standard_normal(4000)
    c = np.where(rng.random(4000) < 0.5, -a * b, rng.standard_normal(4000)) * rng.choice([1.0, 2.0**53, 2.0**-53, 2.0**54], 4000)
    got = exact.fma64(a, b, c)
    different = 0
    for x, y, z, r in zip(a.tolist(), b.tolist(), c.tolist(), got.tolist()):
        assert r == float(Fraction(x) * Fraction(y) + Fraction(z)), (x.hex(), y.hex(), z.hex())
        different += r != x * y + z
    assert different > 100


def test_widening_is_what_the_types_say():
    bits = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    for dtype in (exact.BF16, exact.F16):
        stored = bits.view(dtype)
        assert np.array_equal(exact.widen(stored), stored.astype(np.float32), equal_nan=True)


def test_rounding_to_nearest_agrees_with_the_libraries():
    rng = np.random.default_rng(4)
    x = np.concatenate([random_f32(rng, 200000), random_f32(rng, 50000, 0x32000000, 0x39000000), random_f32(rng, 50000, 0, 0x00FFFFFF)])
    for dtype in (exact.BF16, exact.F16):
        with np.errstate(over="ignore"):
            want = x.astype(dtype).view(np.uint16)
        assert np.array_equal(exact.round_nearest(x, dtype).view(np.uint16), want)
    assert int(exact.round_nearest(np.float32([np.nan]), exact.BF16).view(np.uint16)[0]) == 0x7FFF


def slow_stochastic(x, word, dtype):
    """One number by exact arithmetic: up to the next magnitude of the type where the discarded fraction and the word say so."""
    value = abs(Fraction(x))
    exponent = math.frexp(x)[1] - 1
    if dtype == exact.BF16:
        quantum = Fraction(2) ** (max(exponent, -126) - 7)
        k = 16
    else:
        quantum = Fraction(2) ** (max(exponent, -14) - 10)
        k = 13 if exponent >= -14 else -1 - exponent
    if k > 32:
        return math.copysign(0.0, x)
    scaled = value / quantum + Fraction(word % 2**k, 2**k)
    return math.copysign(float(math.floor(scaled) * quantum), x)


@pytest.mark.parametrize("dtype", [exact.BF16, exact.F16], ids=str)
def test_stochastic_rounding_is_what_the_definition_says(dtype):
    rng = np.random.default_rng(5)
    parts = [random_f32(rng, 4000, 0x2F000000, 0x39000000), random_f32(rng, 3000, 0x38000000, 0x477FDFFF), np.float32([2.0**-24, 2.0**-14, -(2.0**-15), 0.0, -0.0, 2.0**-34, 2.0**-33])]
    if dtype == exact.BF16:
        parts.append(random_f32(rng, 2000, 0x00800000, 0x7F000000))
    x = np.concatenate(parts)
    words = rng.integers(0, 2**32, x.size, dtype=np.uint32)
    words[::7] = 0xFFFFFFFF
    words[::11] = 0
    got = exact.round_stochastic(x, dtype, words)
    moved = 0
    for value, word, r in zip(x.tolist(), words.tolist(), got.astype(np.float64).tolist()):
        want = slow_stochastic(value, word, dtype)
        assert r == want and math.copysign(1, r) == math.copysign(1, value), (value.hex(), hex(word))
        moved += r != value
    assert moved > 1000


def test_exactly_representable_values_never_move():
    bits = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    worst = np.full(1 << 16, 0xFFFFFFFF, np.uint32)
    for dtype in (exact.BF16, exact.F16):
        finite = np.isfinite(bits.view(dtype).astype(np.float32))
        got = exact.round_stochastic(exact.widen(bits.view(dtype)), dtype, worst)
        assert np.array_equal(got.view(np.uint16)[finite], bits[finite])
    overflow = exact.round_stochastic(np.float32([65519, 65536, 1e30]), exact.F16, worst[:3])
    assert np.isinf(overflow).all()


def test_stochastic_rounding_keeps_the_mean():
    x = np.full(200000, 1 + 2.0**-10, np.float32)
    words = np.random.default_rng(6).integers(0, 2**32, x.size, dtype=np.uint32)
    up = (exact.round_stochastic(x, exact.BF16, words).astype(np.float64) > 1).mean()
    # The fraction 2^-10 / 2^-7 = 1/8; five standard errors of a binomial mean.
    assert abs(up - 0.125) < 5 * math.sqrt(0.125 * 0.875 / x.size)
