"""numerics.py against a slow element-by-element model in exact arithmetic, with planted mistakes that it must notice."""

import math
from fractions import Fraction

import numpy as np
import pytest
import xxhash

from . import exact, numerics
from .numerics import BadInput, Settings, fuse_matrix
from .philox import philox4x32


def slow_sum(values, squares=False):
    """The order of numerics.md 4 in plain Python; a square is added by an exact fused multiply-add."""
    blocks = []
    for begin in range(0, len(values), 8192):
        lanes = [0.0] * 256
        for i, x in enumerate(values[begin : begin + 8192]):
            lanes[i % 256] = float(Fraction(x) * Fraction(x) + Fraction(lanes[i % 256])) if squares else lanes[i % 256] + x
        half = 128
        while half:
            for lane in range(half):
                lanes[lane] += lanes[lane + half]
            half //= 2
        blocks.append(lanes[0])
    while len(blocks) > 1:
        folded = [blocks[i] + blocks[i + 1] for i in range(0, len(blocks) - 1, 2)]
        blocks = folded + (blocks[-1:] if len(blocks) % 2 else [])
    return blocks[0] if blocks else 0.0


@pytest.mark.parametrize("n", [0, 1, 7, 255, 256, 257, 8191, 8192, 8193, 3 * 8192 + 5, 5 * 8192])
def test_sums_follow_the_block_scheme(n):
    values = (np.random.default_rng(n).standard_normal(n) * np.exp(np.random.default_rng(n + 1).standard_normal(n) * 9)).tolist()
    assert numerics.block_sum(np.array(values)) == slow_sum(values)
    assert numerics.block_dot(np.array(values), np.array(values)) == slow_sum(values, squares=True)


def test_the_order_of_sums_can_be_seen():
    values = np.random.default_rng(8).standard_normal(5 * 8192)
    ours = numerics.block_sum(values)
    assert ours != np.sum(values) and ours != math.fsum(values)
    assert ours == pytest.approx(math.fsum(values), rel=0, abs=1e-9)


def test_standard_deviation_skips_what_is_masked():
    values = np.random.default_rng(9).standard_normal((40, 500)).astype(np.float32)
    mask = np.random.default_rng(10).random((40, 500)) < 0.9
    got = numerics.standard_deviation(values, mask)
    assert got == pytest.approx(float(np.std(values[mask].astype(np.float64))), rel=1e-12)


def test_random_words_depend_on_name_and_index_alone():
    words = numerics.rounding_words((9, 11), 4, 7, "model.layers.0.mlp.gate_proj.weight", 0xABCDEF0123456789)
    name = xxhash.xxh3_64_intdigest(b"model.layers.0.mlp.gate_proj.weight")
    for row, col in [(0, 0), (0, 6), (3, 2), (2, 5)]:
        i = row * 11 + col
        block = philox4x32((i // 4, 0, name & 0xFFFFFFFF, name >> 32), (0x23456789, 0xABCDEF01))
        assert words[row, col] == block[i % 4]
    assert xxhash.xxh3_64_intdigest(b"") == 0x2D06800538D394C2


def slow_fuse(base, delta, role, alpha, gamma):
    """Counts and outputs element by element in exact arithmetic, rne into the base's type."""
    out = np.array(base)
    counts = dict.fromkeys("moved changed lost clamped sign_flips zero_weights".split(), 0)
    for r in range(delta.shape[0]):
        for c in range(delta.shape[1]):
            w, d = np.float32(base[r, c]), np.float32(delta[r, c])
            t = np.float32(alpha * d) if role == "down" else max(-gamma, min(gamma, d))
            exact_sum = Fraction(float(t)) * Fraction(float(w)) + Fraction(float(w))
            f32 = exact.fma32(np.float32([t]), np.float32([w]), np.float32([w]))[0]
            assert abs(Fraction(float(f32)) - exact_sum) <= abs(exact_sum) / 2**24 + Fraction(2) ** -150
            out[r, c] = f32.astype(base.dtype) if w != 0 else base[r, c] * (1 if t >= 0 else 0)
            same = out[r, c].tobytes() == base[r, c].tobytes()
            counts["moved"] += bool(t != 0 and w != 0)
            counts["changed"] += not same
            counts["lost"] += bool(t != 0 and w != 0 and same)
            counts["clamped"] += bool(role == "gate" and abs(d) > gamma)
            counts["sign_flips"] += bool(t < -1 and w != 0)
            counts["zero_weights"] += bool(w == 0)
    return out, counts


DTYPES = [exact.BF16, exact.F16, exact.F32]


@pytest.mark.parametrize("role", ["down", "gate"])
@pytest.mark.parametrize("delta_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_matrix_agrees_with_the_slow_model(dtype, delta_dtype, role):
    rng = np.random.default_rng(11)
    base = (rng.standard_normal((13, 21)) * 0.02).astype(dtype)
    base[2, 3], base[4, 5] = 0, -0.0
    delta = rng.standard_normal((9, 20)).astype(delta_dtype)
    settings = Settings(alpha=1.5, gamma_cap=0.7, variance_norm="none")
    fused, record = fuse_matrix(base, delta, role, "w", settings)
    want, counts = slow_fuse(base, delta, role, np.float32(1.5), np.float32(0.7))
    assert fused.tobytes() == want.tobytes()
    assert {key: record[key] for key in counts} == counts
    assert counts["moved"] > 100 and counts["changed"] > 0
    assert np.array_equal(fused[9:], base[9:]) and np.array_equal(fused[:, 20:], base[:, 20:])
    w = base[:9, :20].astype(np.float64)
    o = fused[:9, :20].astype(np.float64)
    assert record["drift"] == pytest.approx(np.linalg.norm(o - w) / np.linalg.norm(w), rel=1e-9)
    assert record["cosine"] == pytest.approx((w * o).sum() / np.linalg.norm(w) / np.linalg.norm(o), rel=1e-9)
    assert record["mean_shift"] == pytest.approx((o - w).mean(), rel=1e-9)
    assert record["max_change"] == np.abs(o - w).max()


@pytest.mark.parametrize("norm", ["match", "unit", "none"])
def test_alpha_follows_the_norm(norm):
    rng = np.random.default_rng(12)
    w, d = (rng.standard_normal((30, 40)) * 0.02).astype(exact.BF16), rng.standard_normal((30, 40)).astype(exact.BF16)
    _, record = fuse_matrix(w, d, "down", "w", Settings(alpha=3, variance_norm=norm))
    sw, sd = np.std(w.astype(np.float64)), np.std(d.astype(np.float64))
    assert record["alpha_dynamic"] == pytest.approx({"match": 3 * sw / sd, "unit": 3 / sd, "none": 3}[norm], rel=1e-6)
    assert (record["sigma_weight"] is None) == (norm != "match")
    assert (record["sigma_delta"] is None) == (norm == "none")


def test_zero_and_equal_deltas():
    w = np.full((3, 4), -0.0, exact.BF16)
    fused, record = fuse_matrix(w, np.full((3, 4), -0.0, exact.F32), "gate", "w", Settings())
    assert fused.tobytes() == w.tobytes() and record["skipped"] == "delta is zero" and record["changed"] == 0
    for norm in ("match", "unit"):
        with pytest.raises(BadInput):
            fuse_matrix(np.ones((3, 4), exact.BF16), np.full((3, 4), 0.1, exact.BF16), "down", "w", Settings(variance_norm=norm))


def test_what_is_not_finite():
    w, d = np.ones((4, 5), exact.F16), np.full((4, 5), 0.25, exact.F32)
    d[1, 2], w[3, 0], w[0, 4] = np.nan, np.inf, 65504
    with pytest.raises(BadInput, match=r"element 4 \(row 0, column 4\)"):
        fuse_matrix(w, d, "gate", "w", Settings(gamma_cap=1))
    fused, record = fuse_matrix(w, d, "gate", "w", Settings(gamma_cap=1, nonfinite="keep"))
    assert record["nonfinite_kept"] == 3 and record["moved"] == 17 and record["sum_w2"] == 17.0
    assert record["mean_shift"] == 0.25
    for at in [(1, 2), (3, 0), (0, 4)]:
        assert fused[at].tobytes() == w[at].tobytes()


def test_stochastic_rounding_saves_edits_that_nearest_loses():
    w = np.ones((64, 64), exact.BF16)
    d = np.full((64, 64), 2.0**-11, exact.F32)
    _, nearest = fuse_matrix(w, d, "gate", "w", Settings())
    _, stochastic = fuse_matrix(w, d, "gate", "w", Settings(rounding="stochastic"))
    assert nearest["lost_rate"] == 1.0
    # 1 in 16 is rounded up: five standard errors over 4096 elements.
    assert abs(stochastic["changed"] / 4096 - 1 / 16) < 5 * math.sqrt(1 / 16 * 15 / 16 / 4096)


@pytest.mark.parametrize("mistake", ["two roundings", "no fma in sums", "sigma of a sample", "swapped words"])
def test_planted_mistakes_show(monkeypatch, mistake):
    # An alpha of 200 gives changes of more than 26 bits, whose squares f64 cannot hold; small matrices, since a
    # mistake of one ulp in a lane seldom outlives a long sum.
    settings = Settings(alpha=200, rounding="stochastic")
    rng = np.random.default_rng(13)
    dtype = exact.BF16 if mistake == "swapped words" else exact.F32
    pairs = [tuple(rng.standard_normal((2, 7, 257)).astype(dtype)) for _ in range(8)]

    def outcomes():
        return [(fused.tobytes(), record) for fused, record in (fuse_matrix(w, d, "down", "w", settings) for w, d in pairs)]

    right = outcomes()
    if mistake == "two roundings":
        monkeypatch.setattr(numerics, "fma32", lambda a, b, c: a * b + c)
    elif mistake == "no fma in sums":
        monkeypatch.setattr(numerics, "fma64", lambda a, b, c: a * b + c)
    elif mistake == "sigma of a sample":
        monkeypatch.setattr(numerics, "standard_deviation", lambda x, mask: float(np.std(x.astype(np.float64), ddof=1)))
    else:
        words = numerics.rounding_words
        monkeypatch.setattr(numerics, "rounding_words", lambda *args: words(*args)[:, ::-1])
    assert outcomes() != right
