"""Integer, bit, conversion and comparison instructions against Python's integers."""

import numpy as np
import pytest

from .snippet import evaluate

RNG = np.random.default_rng(20)
COUNT = 300


def numbers(kind):
    """Random, small and extreme values of an integer type."""
    bits = int(kind[1:])
    raw = RNG.integers(0, 2**64, COUNT, dtype=np.uint64) >> RNG.integers(0, 60, COUNT).astype(
        np.uint64
    )
    raw[:6] = [0, 1, 2**64 - 1, 2**63, 2**31, 2**15]
    return (
        RNG.permutation(raw)
        .astype(f"u{bits // 8}")
        .view(("i" if kind[0] == "s" else "u") + str(bits // 8))
    )


def wrapped(value, kind):
    bits = int(kind[1:])
    value %= 1 << bits
    return value - (1 << bits) if kind[0] == "s" and value >> bits - 1 else value


def check(text, result, expected, *sources):
    got = evaluate(text, result, *sources)
    columns = [np.broadcast_to(array, len(got)).tolist() for _, array in sources]
    for i, values in enumerate(zip(*columns)):
        assert got[i] == wrapped(expected(*values), result), (text, values, got[i])


def quotient(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32", "u64", "s64"])
def test_integer_arithmetic(kind):
    a, b, c = numbers(kind), numbers(kind), numbers(kind)
    bits = int(kind[1:])
    two, three = [(kind, a), (kind, b)], [(kind, a), (kind, b), (kind, c)]
    check(f"add.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x + y, *two)
    check(f"sub.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x - y, *two)
    check(f"mul.lo.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x * y, *two)
    check(f"mul.hi.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x * y >> bits, *two)
    check(f"mad.lo.{kind} {{0}}, {{1}}, {{2}}, {{3}}", kind, lambda x, y, z: x * y + z, *three)
    check(
        f"mad.hi.{kind} {{0}}, {{1}}, {{2}}, {{3}}",
        kind,
        lambda x, y, z: (x * y >> bits) + z,
        *three,
    )
    check(f"min.{kind} {{0}}, {{1}}, {{2}}", kind, min, *two)
    check(f"max.{kind} {{0}}, {{1}}, {{2}}", kind, max, *two)
    divisors = (
        kind,
        np.where((b == 0) | (b == -1 if kind[0] == "s" else False), 7, b).astype(b.dtype),
    )
    check(f"div.{kind} {{0}}, {{1}}, {{2}}", kind, quotient, (kind, a), divisors)
    check(
        f"rem.{kind} {{0}}, {{1}}, {{2}}",
        kind,
        lambda x, y: x - quotient(x, y) * y,
        (kind, a),
        divisors,
    )
    if bits < 64:
        wide = f"{kind[0]}{2 * bits}"
        check(f"mul.wide.{kind} {{0}}, {{1}}, {{2}}", wide, lambda x, y: x * y, *two)
        add = (wide, numbers(wide))
        check(
            f"mad.wide.{kind} {{0}}, {{1}}, {{2}}, {{3}}",
            wide,
            lambda x, y, z: x * y + z,
            *two,
            add,
        )
    if kind[0] == "s":
        check(f"abs.{kind} {{0}}, {{1}}", kind, abs, (kind, a))
        check(f"neg.{kind} {{0}}, {{1}}", kind, lambda x: -x, (kind, a))


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_bits(bits):
    kind = f"b{bits}"
    a, b = numbers(f"u{bits}"), numbers(f"u{bits}")
    counts = RNG.integers(0, 80, COUNT).astype(np.uint32)
    check(f"and.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x & y, (kind, a), (kind, b))
    check(f"or.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x | y, (kind, a), (kind, b))
    check(f"xor.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, y: x ^ y, (kind, a), (kind, b))
    check(f"not.{kind} {{0}}, {{1}}", kind, lambda x: ~x, (kind, a))
    check(f"shl.{kind} {{0}}, {{1}}, {{2}}", kind, lambda x, n: x << n, (kind, a), ("u32", counts))
    check(f"shr.u{bits} {{0}}, {{1}}, {{2}}", kind, lambda x, n: x >> n, (kind, a), ("u32", counts))
    signed = a.view(f"i{bits // 8}")
    check(
        f"shr.s{bits} {{0}}, {{1}}, {{2}}",
        f"s{bits}",
        lambda x, n: x >> n,
        (f"s{bits}", signed),
        ("u32", counts),
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_fields(bits):
    kind = f"b{bits}"
    a, b = numbers(f"u{bits}"), numbers(f"u{bits}")
    position, length = (RNG.integers(0, bits + 8, COUNT).astype(np.uint32) for _ in range(2))
    position[:5], length[:5] = [0, bits - 1, bits, 255, 3], [bits, 1, 4, 255, 0]
    check(f"popc.{kind} {{0}}, {{1}}", "u32", int.bit_count, (kind, a))
    check(f"clz.{kind} {{0}}, {{1}}", "u32", lambda x: bits - x.bit_length(), (kind, a))
    check(f"brev.{kind} {{0}}, {{1}}", kind, lambda x: int(f"{x:0{bits}b}"[::-1], 2), (kind, a))

    def extract(x, p, n):
        return x >> p & (1 << n) - 1

    def extract_signed(x, p, n):
        if n == 0:
            return 0
        # Python's shift goes on with the sign; the top bit of the field is at most the word's.
        top = min(p + n - 1, bits - 1)
        found = (x & (1 << bits) - 1) >> p & (1 << min(n, bits)) - 1
        width = max(top - p + 1, 0)
        return found | (-1 << width) if x >> top & 1 else found

    places = [("u32", position), ("u32", length)]
    check(f"bfe.u{bits} {{0}}, {{1}}, {{2}}, {{3}}", kind, extract, (kind, a), *places)
    signed = (f"s{bits}", a.view(f"i{bits // 8}"))
    check(f"bfe.s{bits} {{0}}, {{1}}, {{2}}, {{3}}", f"s{bits}", extract_signed, signed, *places)

    def insert(x, y, p, n):
        mask = ((1 << n) - 1) << p & (1 << bits) - 1
        return y & ~mask | x << p & mask

    check(
        f"bfi.{kind} {{0}}, {{1}}, {{2}}, {{3}}, {{4}}", kind, insert, (kind, a), (kind, b), *places
    )


def test_permutes_funnels_and_tables():
    a, b, c = numbers("u32"), numbers("u32"), numbers("u32")
    three = [("b32", a), ("b32", b), ("b32", c)]

    def permute(x, y, selector):
        raw = (x | y << 32).to_bytes(8, "little")
        chosen = [selector >> 4 * i & 15 for i in range(4)]
        return int.from_bytes(
            bytes((255 if raw[s & 7] >> 7 else 0) if s & 8 else raw[s] for s in chosen), "little"
        )

    check("prmt.b32 {0}, {1}, {2}, {3}", "b32", permute, *three)
    check(
        "prmt.b32 {0}, {1}, {2}, 0x5410",
        "b32",
        lambda x, y: x & 0xFFFF | (y & 0xFFFF) << 16,
        *three[:2],
    )
    for table in (0x96, 0xE8, 0x1B, 0, 255):

        def look_up(x, y, z, table=table):
            return sum(
                (table >> (4 * (x >> i & 1) + 2 * (y >> i & 1) + (z >> i & 1)) & 1) << i
                for i in range(32)
            )

        check(f"lop3.b32 {{0}}, {{1}}, {{2}}, {{3}}, {table}", "b32", look_up, *three)
    check(
        "shf.l.wrap.b32 {0}, {1}, {2}, {3}",
        "b32",
        lambda x, y, n: (y << 32 | x) << n % 32 >> 32,
        *three,
    )
    check(
        "shf.r.wrap.b32 {0}, {1}, {2}, {3}", "b32", lambda x, y, n: (y << 32 | x) >> n % 32, *three
    )
    check(
        "shf.l.clamp.b32 {0}, {1}, {2}, {3}",
        "b32",
        lambda x, y, n: (y << 32 | x) << min(n, 32) >> 32,
        *three,
    )
    check(
        "shf.r.clamp.b32 {0}, {1}, {2}, {3}",
        "b32",
        lambda x, y, n: (y << 32 | x) >> min(n, 32),
        *three,
    )


def test_integer_conversions():
    for source in ("s16", "u16", "s32", "u32", "s64", "u64"):
        for to in ("s16", "u16", "s32", "u32", "s64", "u64"):
            low, high = (
                (-(1 << int(to[1:]) - 1), (1 << int(to[1:]) - 1) - 1)
                if to[0] == "s"
                else (0, (1 << int(to[1:])) - 1)
            )
            check(f"cvt.{to}.{source} {{0}}, {{1}}", to, lambda x: x, (source, numbers(source)))
            check(
                f"cvt.sat.{to}.{source} {{0}}, {{1}}",
                to,
                lambda x: min(max(x, low), high),
                (source, numbers(source)),
            )
    # A narrow type of a wide register, extended by its sign.
    check("cvt.s32.s8 {0}, {1}", "s32", lambda x: wrapped(x, "s8"), ("s32", numbers("s32")))
    check("cvt.u32.u8 {0}, {1}", "u32", lambda x: x & 255, ("u32", numbers("u32")))


COMPARISONS = {
    "eq": lambda x, y: x == y, "ne": lambda x, y: x != y, "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y, "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y,
}  # fmt: skip


def flags(comparison, kind, a, b, after=""):
    text = (
        "{{ .reg .pred %p, %q; setp.eq.u32 %q, %i, 3;"
        f"setp.{comparison}.{kind} %p, {{1}}, {{2}}{after};"
        "selp.u32 {0}, 1, 0, %p; }}"
    )
    return evaluate(text, "u32", (kind, a), (kind, b)).astype(bool)


def test_comparisons():
    for name, holds in COMPARISONS.items():
        for kind in ("s32", "u32", "s64", "u16"):
            a, b = numbers(kind), numbers(kind)
            b[::3] = a[::3]
            assert np.array_equal(flags(name, kind, a, b), holds(a, b))
        a, b = (
            v.reshape(-1)
            for v in np.meshgrid(*[np.array([0.0, -0.0, 1.5, -3, np.nan, np.inf], np.float32)] * 2)
        )
        nan = np.isnan(a) | np.isnan(b)
        assert np.array_equal(flags(name, "f32", a, b), holds(a, b) & ~nan)
        assert np.array_equal(flags(f"{name}u", "f32", a, b), holds(a, b) | nan)
        third = np.arange(len(a)) == 3
        assert np.array_equal(flags(f"{name}.and", "f32", a, b, ", %q"), holds(a, b) & ~nan & third)
        assert np.array_equal(
            flags(f"{name}.or", "f32", a, b, ", !%q"), holds(a, b) & ~nan | ~third
        )
    assert np.array_equal(flags("nan", "f32", a, b), nan) and np.array_equal(
        flags("num", "f32", a, b), ~nan
    )
    for name, holds in {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}.items():
        a, b = numbers("u32"), numbers("u32")
        assert np.array_equal(flags(name, "u32", a, b), COMPARISONS[holds](a, b))
