"""The interpreter's arithmetic against exact rational numbers, where rounding is hard."""

import math
from fractions import Fraction

import numpy as np
import pytest

from . import arithmetic
from .snippet import evaluate

F32, F64 = np.float32, np.float64


def nearest(exact, dtype):
    """A rational number to the nearest float of `dtype`, ties to even; overflows to infinity."""
    info = np.finfo(dtype)
    if exact == 0:
        return dtype(0)
    magnitude, sign = abs(exact), 1 if exact > 0 else -1
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if Fraction(2) ** exponent > magnitude:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, int(info.minexp)) - int(info.nmant))
    rounded = round(magnitude / unit) * unit  # Python rounds halves to even
    if rounded >= Fraction(2) ** int(info.maxexp):
        return dtype(sign * math.inf)
    return dtype(math.copysign(float(rounded), sign))


def hard_operands(dtype, rng, count):
    """Products that cancel with the addend, halfway cases, subnormal results, extremes."""
    info = np.finfo(dtype)
    spread = int(info.maxexp) // 2
    a, b, c = (
        np.ldexp(rng.standard_normal(count), rng.integers(-spread, spread, count)).astype(dtype)
        for _ in range(3)
    )
    part = count // 8
    with np.errstate(all="ignore"):
        c[:part] = -(a[:part] * b[:part])
        c[part : 2 * part] = np.nextafter(-(a * b)[part : 2 * part], dtype(0))
        # One more bit than fits: the product is halfway between neighbours, the addend decides.
        half = slice(2 * part, 3 * part)
        a[half] = 1 + rng.integers(0, 1 << 10, part) * dtype(2.0**-11)
        b[half] = 1 + dtype(2.0) ** (-int(info.nmant) + 10) * rng.integers(0, 2, part)
        little = dtype(2.0) ** (-4 * int(info.nmant))
        least = info.smallest_subnormal
        c[half] = rng.choice(np.array([0, little, -little, least, -least], dtype), part)
        small = slice(3 * part, 4 * part)
        a[small] = (
            (a[small] / np.abs(a[small])) * dtype(info.smallest_normal) * rng.uniform(0.5, 4, part)
        )
        b[small] = rng.uniform(-2, 2, part)
        c[small] = info.smallest_subnormal * rng.integers(-9, 9, part)
        tiny = slice(4 * part, 5 * part)
        a[tiny] = np.ldexp(a[tiny], -spread)
        b[tiny] = np.ldexp(b[tiny], -spread // 2)
        large = slice(5 * part, 6 * part)
        a[large] = info.max * rng.uniform(0.5, 1, part)
        b[large] = rng.choice([1, -1, 0.5, 2, 1.0000001], part)
        c[large] = info.max * rng.choice([1, -1, 0.25], part)
    c[6 * part : 6 * part + 50] = 0
    finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    return a[finite], b[finite], c[finite]


@pytest.mark.parametrize("dtype, name", [(F32, "f32"), (F64, "f64")])
def test_fma_is_rounded_once(dtype, name):
    a, b, c = hard_operands(dtype, np.random.default_rng(1), 6000)
    got = evaluate(
        f"fma.rn.{name} {{0}}, {{1}}, {{2}}, {{3}}", name, (name, a), (name, b), (name, c)
    )
    different = 0
    with np.errstate(all="ignore"):
        twice = a * b + c
    for x, y, z, r, t in zip(a, b, c, got, twice):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        want = nearest(exact, dtype)
        if exact == 0:
            # The sign of a sum that cancels is plus, unless both terms are negative zeros.
            want = (
                dtype(float(x) * float(y) + float(z)) if z == 0 and (x == 0 or y == 0) else dtype(0)
            )
        assert want.tobytes() == r.tobytes(), (x, y, z, want, r)
        different += t.tobytes() != r.tobytes()
    assert different > 500  # the operands tell one rounding from two


@pytest.mark.parametrize("dtype, name", [(F32, "f32"), (F64, "f64")])
def test_fma_of_zeros_infinities_and_nans(dtype, name):
    special = np.array(
        [
            0.0,
            -0.0,
            np.inf,
            -np.inf,
            np.nan,
            1.0,
            -1.0,
            np.finfo(dtype).max,
            np.finfo(dtype).smallest_subnormal,
        ],
        dtype,
    )
    a, b, c = (v.reshape(-1) for v in np.meshgrid(special, special, special))
    got = evaluate(
        f"fma.rn.{name} {{0}}, {{1}}, {{2}}, {{3}}", name, (name, a), (name, b), (name, c)
    )
    with np.errstate(all="ignore"):
        for x, y, z, r in zip(a, b, c, got):
            if np.isfinite(x) and np.isfinite(y):
                if not np.isfinite(z):
                    want = z
                else:
                    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
                    want = nearest(exact, dtype) if exact else None
                    if want is None:
                        want = x * y + z if x == 0 or y == 0 else dtype(0)
            else:
                want = x * y + z
            assert (np.isnan(want) and np.isnan(r)) or want.tobytes() == r.tobytes(), (
                x,
                y,
                z,
                want,
                r,
            )


@pytest.mark.parametrize(
    "name, operate",
    [
        ("add", lambda a, b: a + b),
        ("sub", lambda a, b: a - b),
        ("mul", lambda a, b: a * b),
        ("div", lambda a, b: a / b),
    ],
)
@pytest.mark.parametrize("dtype, kind", [(F32, "f32"), (F64, "f64")])
def test_basic_operations_are_rounded_once(name, operate, dtype, kind):
    a, _, b = hard_operands(dtype, np.random.default_rng(2), 800)
    keep = b != 0
    a, b = a[keep], b[keep]
    got = evaluate(f"{name}.rn.{kind} {{0}}, {{1}}, {{2}}", kind, (kind, a), (kind, b))
    for x, y, r in zip(a, b, got):
        exact = operate(Fraction(float(x)), Fraction(float(y)))
        assert nearest(exact, dtype) == r, (x, y, r)


@pytest.mark.parametrize("dtype, kind", [(F32, "f32"), (F64, "f64")])
def test_square_root_and_reciprocal(dtype, kind):
    a = np.abs(hard_operands(dtype, np.random.default_rng(3), 800)[0])
    a = a[a > 0]
    roots = evaluate(f"sqrt.rn.{kind} {{0}}, {{1}}", kind, (kind, a))
    reciprocals = evaluate(f"rcp.rn.{kind} {{0}}, {{1}}", kind, (kind, a))
    for x, root, reciprocal in zip(a, roots, reciprocals):
        exact, r = Fraction(float(x)), Fraction(float(root))
        below = (r + Fraction(float(np.nextafter(root, dtype(0))))) / 2
        above = (r + Fraction(float(np.nextafter(root, dtype(np.inf))))) / 2
        assert below**2 <= exact <= above**2
        assert nearest(1 / exact, dtype) == reciprocal


def test_narrowing():
    a = np.concatenate([v for v in hard_operands(F64, np.random.default_rng(4), 1000)])
    a = np.concatenate(
        [
            a,
            np.ldexp(
                np.random.default_rng(5).standard_normal(2000),
                np.random.default_rng(6).integers(-152, 130, 2000),
            ),
        ]
    )
    singles = (
        np.random.default_rng(7).integers(0, 0x7F7FFFFF, 500, dtype=np.uint32).view(F32).astype(F64)
    )
    halfway = (singles + np.nextafter(singles.astype(F32), F32(np.inf)).astype(F64)) / 2
    a = np.concatenate([a, singles, halfway[np.isfinite(halfway)], [0.0, -0.0, np.inf, -np.inf]])
    modes = {
        mode: evaluate(f"cvt.{mode}.f32.f64 {{0}}, {{1}}", "f32", ("f64", a))
        for mode in ("rn", "rz", "rm", "rp")
    }
    for i, x in enumerate(a):
        got = {mode: values[i] for mode, values in modes.items()}
        if not np.isfinite(x) or x == 0:
            assert all(F32(x).tobytes() == r.tobytes() for r in got.values())
            continue
        exact = Fraction(float(x))
        assert nearest(exact, F32).tobytes() == got["rn"].tobytes()
        with np.errstate(over="ignore"):
            assert got["rm"] <= x <= got["rp"] <= np.nextafter(got["rm"], F32(np.inf))
            assert (got["rm"] == got["rp"]) == (F64(got["rn"]) == x)
        assert got["rz"] == (got["rm"] if x > 0 else got["rp"])


def test_widening_is_exact():
    a = np.random.default_rng(8).integers(0, 2**32, 2000, dtype=np.uint32).view(F32)
    a = a[np.isfinite(a)]
    got = evaluate("cvt.f64.f32 {0}, {1}", "f64", ("f32", a))
    assert all(Fraction(float(x)) == Fraction(float(r)) for x, r in zip(a, got))
    halves = np.arange(1 << 16, dtype=np.uint16)
    got = evaluate("cvt.f32.f16 {0}, {1}", "f32", ("f16", halves.view(np.float16)))
    for h, r in zip(halves.tolist(), got.tolist()):
        sign, exponent, fraction = h >> 15, h >> 10 & 31, h & 1023
        if exponent == 31:
            assert math.isnan(r) if fraction else r == (-1) ** sign * math.inf
        else:
            value = math.ldexp(fraction + (1024 if exponent else 0), max(exponent, 1) - 25)
            assert r == (-1) ** sign * value


@pytest.mark.parametrize(
    "to, nmant, minexp, maxexp", [("f16", 10, -14, 16), ("bf16", 7, -126, 128)]
)
def test_narrowing_to_sixteen_bits(to, nmant, minexp, maxexp):
    rng = np.random.default_rng(9)
    a = rng.integers(0, 2**32, 3000, dtype=np.uint32)
    a[:1500] &= 0xFFFFF000
    a[1500:] = (
        np.ldexp(rng.standard_normal(1500), rng.integers(-28, 18, 1500)).astype(F32).view(np.uint32)
    )
    a = a.view(F32)
    a = a[np.isfinite(a) & (a != 0)]
    got = (
        evaluate(f"cvt.rn.{to}.f32 {{0}}, {{1}}", "u16", ("f32", a))
        if to == "bf16"
        else evaluate(f"cvt.rn.{to}.f32 {{0}}, {{1}}", "b16", ("f32", a))
    )
    for x, r in zip(a, got.tolist()):
        exact = abs(Fraction(float(x)))
        exponent = max(math.frexp(float(x))[1] - 1, minexp)
        units = round(exact / Fraction(2) ** (exponent - nmant))
        # Adding the units to the exponent's place carries into it by itself.
        bits = units + ((exponent - minexp) << nmant)
        bits = min(bits, (maxexp - minexp + 1) << nmant)
        assert bits | (0x8000 if x < 0 else 0) == r, x


@pytest.mark.parametrize("to", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("source", ["f32", "f64"])
def test_floats_to_integers(to, source):
    dtype = {"f32": F32, "f64": F64}[source]
    signed, bits = to[0] == "s", int(to[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    rng = np.random.default_rng(10)
    a = np.ldexp(rng.standard_normal(400), rng.integers(-3, 70, 400)).astype(dtype)
    around = np.array([low, high, 0, 0.5, 1.5, 2.5, -0.5, -1.5, np.inf, -np.inf, -0.0], dtype)
    a = np.concatenate(
        [
            a,
            around,
            np.nextafter(around, dtype(0)),
            np.nextafter(around, dtype(1e30)),
            [dtype(np.nan)],
        ]
    )
    round_by = {"rni": round, "rzi": math.trunc, "rmi": math.floor, "rpi": math.ceil}
    for mode, operate in round_by.items():
        register = "u16" if bits == 8 else to
        got = evaluate(f"cvt.{mode}.{to}.{source} {{0}}, {{1}}", register, (source, a))
        for x, r in zip(a.tolist(), got.tolist()):
            if math.isnan(x):
                want = (
                    (1 << bits - 1) * (-1 if signed else 1) if bits == 64 or source == "f64" else 0
                )
            elif math.isinf(x):
                want = high if x > 0 else low
            else:
                want = min(max(operate(Fraction(x)), low), high)
            if bits == 8:
                want &= 0xFFFF  # s8 is extended into the register
            assert r == want, (mode, x, r, want)


@pytest.mark.parametrize("source", ["s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("to, dtype", [("f32", F32), ("f64", F64)])
def test_integers_to_floats(source, to, dtype):
    rng = np.random.default_rng(11)
    raw = rng.integers(0, 2**64, 2000, dtype=np.uint64) >> rng.integers(0, 63, 2000).astype(
        np.uint64
    )
    a = raw.astype(f"u{int(source[1:]) // 8}").view(
        {"s": "i", "u": "u"}[source[0]] + str(int(source[1:]) // 8)
    )
    got = evaluate(f"cvt.rn.{to}.{source} {{0}}, {{1}}", to, (source, a))
    assert all(nearest(Fraction(int(x)), dtype) == r for x, r in zip(a, got))


def test_minimum_and_maximum():
    a, b = (
        v.reshape(-1)
        for v in np.meshgrid(*[np.array([0.0, -0.0, 1.0, -2.0, np.nan, np.inf], F32)] * 2)
    )
    low = evaluate("min.f32 {0}, {1}, {2}", "f32", ("f32", a), ("f32", b))
    high = evaluate("max.f32 {0}, {1}, {2}", "f32", ("f32", a), ("f32", b))
    for x, y, least, most in zip(a, b, low, high):
        numbers = [v for v in (x, y) if not np.isnan(v)]
        if not numbers:
            assert least.tobytes() == most.tobytes() == np.uint32(0x7FFFFFFF).tobytes()
            continue
        key = lambda v: (v, not np.signbit(v))  # noqa: E731
        assert least.tobytes() == min(numbers, key=key).tobytes()
        assert most.tobytes() == max(numbers, key=key).tobytes()


def test_a_nan_of_f32_arithmetic_is_the_canonical_one():
    a = np.array([np.nan, np.inf, 0.0], F32)
    for text in (
        "add.rn.f32 {0}, {1}, 0fFF800000",
        "mul.rn.f32 {0}, {1}, 0f7FC12345",
        "sub.rn.f32 {0}, {1}, 0fFFFFFFFF",
    ):
        got = evaluate(text, "f32", ("f32", a))
        assert np.isnan(got).any() and set(got.view(np.uint32)[np.isnan(got)].tolist()) == {
            0x7FFFFFFF
        }


def test_a_mistake_would_be_noticed():
    """Two roundings instead of one, which fma must not be, differ on these operands."""
    a, b, c = hard_operands(F64, np.random.default_rng(1), 6000)
    with np.errstate(all="ignore"):
        assert (arithmetic.fma64(a, b, c) != a * b + c).sum() > 500
