"""A sweep by brute force in f64: one matrix at one point, an MLP's output on probes, seeded probes, the budget."""

import math

import numpy as np

from .exact import F32, fma32, round_stochastic, widen
from .numerics import dynamic_alpha
from .philox import philox4x32, split

def contour(weight, delta, role, settings):
    """(w, t, exact t) of the covered block: f32 weights, the f32 factor of a fuse, and in f64 what it was rounded from."""
    rows, cols = delta.shape
    w, d = widen(np.ascontiguousarray(weight[:rows, :cols])), widen(delta)
    if role == "gate":
        gamma = np.float32(settings.gamma_cap)
        t = np.where(d < -gamma, -gamma, np.where(d > gamma, gamma, d))
        return w, t, t.astype(np.float64)
    if np.all(d == 0):
        return w, np.zeros_like(d), np.zeros(d.shape)
    a = dynamic_alpha(w, d, settings)[2]
    return w, a * d, np.float64(a) * d.astype(np.float64)


def edited_before_rounding(weight, delta, role, settings):
    """The whole matrix in f64, edited and not rounded."""
    whole = widen(weight).astype(np.float64)
    if delta is not None:
        w, _, t = contour(weight, delta, role, settings)
        rows, cols = delta.shape
        whole[:rows, :cols] += w.astype(np.float64) * t
    return whole


def _bits(stored):
    stored = np.ascontiguousarray(stored)
    return stored.view(np.uint32 if stored.dtype == F32 else np.uint16)


def matrix_counts(weight, fused, delta, role, settings):
    """The counts of a point from the fused matrix itself."""
    rows, cols = delta.shape
    w, t, _ = contour(weight, delta, role, settings)
    differs = _bits(weight[:rows, :cols]) != _bits(fused[:rows, :cols])
    moved = (t != 0) & (w != 0)
    counts = {
        "covered": delta.size,
        "moved": int(moved.sum()),
        "changed": int(differs.sum()),
        "lost": int((moved & ~differs).sum()),
        "sign_flips": int(((t < -1) & (w != 0)).sum()),
    }
    if role == "gate":
        counts["clamped"] = int((np.abs(widen(delta)) > np.float32(settings.gamma_cap)).sum())
    return counts


def matrix_sums(weight, delta, role, settings, fused=None):
    """Σw², Σc², Σc and Σ|c| in f64, c the change before rounding or, given the fused matrix, of the stored values."""
    rows, cols = delta.shape
    w, _, t = contour(weight, delta, role, settings)
    w = w.astype(np.float64)
    change = w * t if fused is None else widen(np.ascontiguousarray(fused[:rows, :cols])).astype(np.float64) - w
    return {
        "weight2": math.fsum((w * w).reshape(-1)),
        "change2": math.fsum((change * change).reshape(-1)),
        "change": math.fsum(change.reshape(-1)),
        "size": math.fsum(np.abs(change).reshape(-1)),
    }


def stochastic_counts(weight, delta, role, settings):
    """{"changed", "lost"}: each (expectation, variance) over all rounding seeds."""
    rows, cols = delta.shape
    w, t, _ = contour(weight, delta, role, settings)
    exact = fma32(t, w, w).reshape(w.shape)
    none, all_ones = np.zeros(w.shape, np.uint32), np.full(w.shape, 0xFFFFFFFF, np.uint32)
    low, high = (round_stochastic(exact, weight.dtype, words) for words in (none, all_ones))
    magnitude = [np.abs(widen(side).astype(np.float64)) for side in (low, high)]
    gap = magnitude[1] - magnitude[0]
    up = np.divide(np.abs(exact.astype(np.float64)) - magnitude[0], gap, out=np.zeros_like(gap), where=gap > 0)
    stored = _bits(weight[:rows, :cols])
    stays = (1 - up) * (_bits(low) == stored) + up * (_bits(high) == stored)
    # Without a gap both sides are the same code, and up is 0.
    moved = (t != 0) & (w != 0)
    spread = stays * (1 - stays)
    return {
        "changed": (math.fsum((1 - stays).reshape(-1)), math.fsum(spread.reshape(-1))),
        "lost": (math.fsum(stays[moved]), math.fsum(spread[moved])),
    }


def seeded_probe(tokens, hidden, seed, norm_weight=None):
    """[tokens, hidden] f32 as include/contourfuse/sweep/probe.hpp defines it."""
    pairs = np.arange((hidden + 1) // 2, dtype=np.uint64)[None, :]
    rows = np.arange(tokens, dtype=np.uint64)[:, None]
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = philox4x32((pairs & low, pairs >> shift, rows & low, rows >> shift), split(seed)).astype(np.uint64)
    uniform = [(((words[..., 2 * i + 1] << shift | words[..., 2 * i]) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53 for i in range(2)]
    radius, angle = np.sqrt(-2 * np.log(uniform[0])), 2 * np.pi * uniform[1]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(tokens, -1)[:, :hidden]
    normal /= np.sqrt((normal * normal).mean(axis=1, keepdims=True))
    return (normal * (1.0 if norm_weight is None else np.asarray(norm_weight, np.float64))).astype(np.float32)


def activation(name, x):
    """The MLP's activation in f64."""
    if name == "silu":
        return x / (1 + np.exp(-x))
    if name == "gelu_pytorch_tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def mlp(x, gate, up, down, name):
    """act(X·gateᵀ)∘(X·upᵀ)·downᵀ in f64."""
    x, gate, up, down = (np.asarray(m, np.float64) for m in (x, gate, up, down))
    return (activation(name, x @ gate.T) * (x @ up.T)) @ down.T


def rms_norm(y, weight, epsilon):
    return y * weight / np.sqrt((y * y).mean(axis=1, keepdims=True) + epsilon)


def output_sums(before, after, norm=None):
    """The sums that totals pool; `norm` is (weight, epsilon) of the norm after the MLP."""
    change = after - before
    sums = {
        "values": before.size,
        "base2": (before * before).sum(),
        "out2": (after * after).sum(),
        "cross": (before * after).sum(),
        "change": change.sum(),
        "change2": (change * change).sum(),
        "norm_base2": None,
        "norm_change2": None,
    }
    if norm is not None:
        normed, normed_after = rms_norm(before, *norm), rms_norm(after, *norm)
        sums |= {"norm_base2": (normed * normed).sum(), "norm_change2": ((normed_after - normed) ** 2).sum()}
    return sums


def output_metrics(sums):
    """error, cosine, mean_shift and error_after_norm of sums that may be pooled over layers."""
    return {
        "error": math.sqrt(sums["change2"] / sums["base2"]),
        "cosine": sums["cross"] / math.sqrt(sums["base2"] * sums["out2"]),
        "mean_shift": sums["change"] / sums["values"],
        "error_after_norm": None if sums["norm_base2"] is None else math.sqrt(sums["norm_change2"] / sums["norm_base2"]),
    }


def pooled(sums):
    """Sums of several layers added; None where no layer has one."""
    total = {}
    for key in sums[0]:
        there = [s[key] for s in sums if s[key] is not None]
        total[key] = sum(there) if there else None
    return total


def budget_front(points, limit):
    """Of (alpha, gamma, value) those within the limit that no other within it reaches past."""
    inside = [p for p in points if p[2] is not None and p[2] <= limit]
    further = lambda q, p: abs(q[0]) >= abs(p[0]) and q[1] >= p[1] and q[:2] != p[:2]
    return [p for p in inside if not any(further(q, p) for q in inside)]


def budget_best(front):
    """The largest |alpha|·gamma; among equals the larger gamma, then the larger |alpha|."""
    return max(front, key=lambda p: (abs(p[0]) * p[1], p[1], abs(p[0])), default=None)
