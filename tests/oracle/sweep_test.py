"""sweep.py against slower or other ways to the same numbers."""

import math

import numpy as np
import pytest

from .exact import BF16, F16, F32, fma32, round_stochastic
from .numerics import Settings, fuse_matrix
from .philox import philox4x32
from .sweep import budget_best, budget_front, matrix_counts, matrix_sums, mlp, output_metrics, output_sums, rms_norm, seeded_probe, stochastic_counts


def pair(rng, dtype, shape=(30, 40)):
    weight = (rng.standard_normal(shape) * 0.02).astype(dtype)
    weight[0, :4] = np.array([0.0, -0.0, 1e-7, -1e-7], np.float32).astype(dtype)
    delta = rng.standard_normal(shape).astype(np.float32)
    delta[1, :3] = [0.0, -0.0, 3.0]
    return weight, delta


@pytest.mark.parametrize("role", ["gate", "down"])
@pytest.mark.parametrize("dtype", [BF16, F16, F32], ids=str)
def test_counts_and_sums_are_those_of_the_record(dtype, role):
    weight, delta = pair(np.random.default_rng(1), dtype)
    settings = Settings(alpha=1.7, gamma_cap=0.4)
    fused, record = fuse_matrix(weight, delta[:20, :33], role, "m", settings)
    counts = matrix_counts(weight, fused, delta[:20, :33], role, settings)
    assert counts == {name: record[name] for name in counts} and counts["covered"] == 660
    sums = matrix_sums(weight, delta[:20, :33], role, settings, fused)
    assert math.sqrt(sums["change2"] / sums["weight2"]) == pytest.approx(record["drift"], rel=1e-13)
    assert abs(sums["change"] / 660 - record["mean_shift"]) <= 1e-13 * sums["size"]
    # Rounding moves a drift, but not far.
    before = matrix_sums(weight, delta[:20, :33], role, settings)
    assert before["change2"] != sums["change2"] and before["change2"] == pytest.approx(sums["change2"], rel=1e-2)


@pytest.mark.parametrize("dtype,gamma", [(BF16, 0.003), (F16, 0.0003)], ids=str)
def test_expectations_are_means_over_every_random_number(dtype, gamma):
    rng = np.random.default_rng(2)
    weight, delta = pair(rng, dtype, (3, 8))
    settings = Settings(gamma_cap=gamma, rounding="stochastic")
    t = np.clip(delta, -np.float32(gamma), np.float32(gamma))
    exact = fma32(t, weight.astype(np.float32), weight.astype(np.float32)).reshape(weight.shape)
    # The low 16 bits decide in bf16, and in f16 but for subnormal results, which are kept out.
    keep = (np.abs(exact) > 2.0**-14) | (exact == 0)
    weight, delta, exact = (np.where(keep, x, np.zeros_like(x)) for x in (weight, delta, exact))
    words = np.broadcast_to(np.arange(1 << 16, dtype=np.uint32)[:, None, None], (1 << 16, *exact.shape))
    out = round_stochastic(np.broadcast_to(exact, words.shape), dtype, words)
    changed = int((out.view(np.uint16) != weight.view(np.uint16)).sum())
    expected, variance = stochastic_counts(weight, delta, "gate", settings)["changed"]
    assert expected == pytest.approx(changed / 65536, rel=1e-12)
    assert 1 < variance <= 0.25 * weight.size


def test_seeded_rows_element_by_element():
    hidden, tokens, seed = 7, 3, (5 << 32) | 9
    norm = np.linspace(0.5, 2, hidden)
    rows = seeded_probe(tokens, hidden, seed, norm)
    for t in range(tokens):
        normal = []
        for h in range(hidden):
            words = [int(w) for w in philox4x32((h // 2, 0, t, 0), (9, 5))]
            u = [((words[i + 1] * 2**32 + words[i]) // 2**11 + 0.5) / 2**53 for i in (0, 2)]
            wave = math.sin if h % 2 else math.cos
            normal.append(math.sqrt(-2 * math.log(u[0])) * wave(2 * math.pi * u[1]))
        size = math.sqrt(sum(x * x for x in normal) / hidden)
        assert rows[t] == pytest.approx([x / size * n for x, n in zip(normal, norm)], rel=1e-6)


def test_seeded_rows_are_normal():
    rows = seeded_probe(200, 500, 1).astype(np.float64)
    assert (rows * rows).mean(axis=1) == pytest.approx(1, rel=1e-6)
    n = rows.size
    assert abs(rows.mean()) < 5 / math.sqrt(n)
    assert abs((rows**4).mean() - 3) < 5 * math.sqrt(96 / n) + 0.02
    assert abs((rows[:, ::2] * rows[:, 1::2]).mean()) < 5 / math.sqrt(n / 2)
    assert not np.array_equal(rows, seeded_probe(200, 500, 2))


def test_an_mlp_by_loops():
    rng = np.random.default_rng(3)
    x, gate, up, down = rng.standard_normal((2, 3)), rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.standard_normal((3, 4))
    for name, act in (
        ("silu", lambda v: v / (1 + math.exp(-v))),
        ("gelu", lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2))),
        ("gelu_pytorch_tanh", lambda v: v / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))),
    ):
        y = mlp(x, gate, up, down, name)
        for row, got in zip(x, y):
            hidden = [act(float(g @ row)) * float(u @ row) for g, u in zip(gate, up)]
            assert got == pytest.approx([float(d @ hidden) for d in down], rel=1e-12)


def test_output_metrics():
    before = np.array([[3.0, 4.0], [0.0, 5.0]])
    after = before * 2
    norm = np.array([1.0, 2.0]), 0.0
    metrics = output_metrics(output_sums(before, after, norm))
    # A norm takes any scale away.
    assert metrics == pytest.approx({"error": 1.0, "cosine": 1.0, "mean_shift": 3.0, "error_after_norm": 0.0})
    assert rms_norm(before, *norm)[0] == pytest.approx([3 / math.sqrt(12.5), 8 / math.sqrt(12.5)])
    assert output_metrics(output_sums(before, before[:, ::-1]))["error_after_norm"] is None
    assert output_metrics(output_sums(before, before[:, ::-1]))["error"] == pytest.approx(math.sqrt(52 / 50))


def test_front_and_best():
    points = [(a, g, abs(a) + g) for a in (0.0, 1.0, -2.0, 4.0) for g in (0.0, 1.0, 3.0)]
    front = budget_front(points, 4.0)
    assert [p[:2] for p in front] == [(1.0, 3.0), (-2.0, 1.0), (4.0, 0.0)]
    assert budget_best(front)[:2] == (1.0, 3.0)
    assert budget_front(points, -1.0) == [] and budget_best([]) is None
