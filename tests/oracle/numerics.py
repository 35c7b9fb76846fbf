"""Shape-Contoured Fusion of one matrix: moments, normalisation, rounding, coverage and the record, as docs/numerics.md says."""

import math
from dataclasses import dataclass

import numpy as np
import xxhash

from .exact import F32, fma32, fma64, round_nearest, round_stochastic, widen
from .philox import philox4x32, split

BLOCK = 8192
LANES = 256


class BadInput(Exception):
    """What the program must refuse with exit code 3."""


@dataclass(frozen=True)
class Settings:
    alpha: float = 0.02
    gamma_cap: float = 0.05
    variance_norm: str = "match"
    rounding: str = "nearest"
    rounding_seed: int = 0
    nonfinite: str = "error"


def _lanes(values):
    """f64 values padded with +0, which no lane sum notices, to [blocks, rows, lanes]."""
    values = np.ascontiguousarray(values, np.float64).reshape(-1)
    blocks = -(-values.size // BLOCK)
    padded = np.zeros(blocks * BLOCK)
    padded[: values.size] = values
    return padded.reshape(blocks, BLOCK // LANES, LANES)


def _fold(lanes):
    """[blocks, 256] lane sums to one number: lanes by halves, then blocks by neighbours."""
    half = LANES // 2
    while half:
        lanes = lanes[:, :half] + lanes[:, half : 2 * half]
        half //= 2
    sums = lanes[:, 0]
    if sums.size == 0:
        return 0.0
    while sums.size > 1:
        pairs = sums.size // 2
        folded = sums[: 2 * pairs : 2] + sums[1 : 2 * pairs : 2]
        sums = np.append(folded, sums[-1]) if sums.size % 2 else folded
    return float(sums[0])


def block_sum(values):
    """The sum of f64 values in the fixed order."""
    rows = _lanes(values)
    total = np.zeros((rows.shape[0], LANES))
    for step in range(rows.shape[1]):
        total = total + rows[:, step]
    return _fold(total)


def block_dot(a, b):
    """The sum of a*b in the fixed order, each product added by one fused multiply-add."""
    rows_a, rows_b = _lanes(a), _lanes(b)
    total = np.zeros((rows_a.shape[0], LANES))
    for step in range(rows_a.shape[1]):
        total = fma64(rows_a[:, step], rows_b[:, step], total)
    return _fold(total)


def standard_deviation(values, mask):
    """The population standard deviation of the values in `mask`; the others keep their places and add nothing."""
    n = int(mask.sum())
    if n == 0:
        return 0.0
    kept = np.where(mask, values, 0.0).astype(np.float64)
    mean = block_sum(kept) / n
    return math.sqrt(max(0.0, block_dot(kept, kept) / n - mean * mean))


def rounding_words(shape, rows, cols, name, seed):
    """The 32 random bits of each element of the leading rows x cols block of a matrix of `shape`."""
    index = np.arange(rows, dtype=np.uint64)[:, None] * np.uint64(shape[1]) + np.arange(cols, dtype=np.uint64)[None, :]
    group = index >> np.uint64(2)
    low, high = split(xxhash.xxh3_64_intdigest(name.encode()))
    words = philox4x32((group & np.uint64(0xFFFFFFFF), group >> np.uint64(32), low, high), split(seed))
    return np.take_along_axis(words, (index & np.uint64(3)).astype(np.int64)[..., None], axis=-1)[..., 0]


def _quotient(a, b):
    return a / b if b else None


def derived(record):
    """The quotients that a record's counts and sums determine; null over zero."""
    n = record["covered"] - record["nonfinite_kept"]
    ratio = _quotient(record["sum_change2"], record["sum_w2"])
    norm = math.sqrt(record["sum_w2"] * record["sum_out2"])
    return {
        "drift": None if ratio is None else math.sqrt(ratio),
        "cosine": _quotient(record["sum_w_out"], norm),
        "mean_shift": _quotient(record["sum_change"], n),
        "lost_rate": _quotient(record["lost"], record["moved"]),
    }


def dynamic_alpha(weight, delta, settings):
    """(sigma of W or null, sigma of delta or null, alpha_dynamic as f32), or BadInput where there is no spread."""
    norm = settings.variance_norm
    finite_delta = np.isfinite(delta)
    if norm != "none":
        values = delta[finite_delta]
        if values.size and np.all(values == values[0]):
            raise BadInput("all covered deltas are equal: there is no spread to normalize by")
    sigma_w = standard_deviation(weight, np.isfinite(weight)) if norm == "match" else None
    sigma_d = standard_deviation(delta, finite_delta) if norm != "none" else None
    with np.errstate(all="ignore"):
        alpha = np.float64(settings.alpha)
        if norm == "match":
            alpha = alpha * np.float64(sigma_w) / np.float64(sigma_d)
        elif norm == "unit":
            alpha = alpha / np.float64(sigma_d)
        return sigma_w, sigma_d, np.float32(alpha)


def fuse_matrix(base, delta, role, name, settings):
    """(fused matrix, record) for a `down` or `gate` matrix; `delta` covers the leading block of `base`."""
    if delta.ndim != 2 or delta.shape[0] > base.shape[0] or delta.shape[1] > base.shape[1]:
        raise BadInput(f"{name}: delta {delta.shape} does not fit weight {base.shape}")
    rows, cols = delta.shape
    stored = np.ascontiguousarray(base[:rows, :cols])
    w, d = widen(stored), widen(delta)
    record = {"elements": base.size, "covered": delta.size}
    zero = bool(np.all(d == 0))

    if role == "down":
        sigma_w, sigma_d, alpha = (None, None, None) if zero else dynamic_alpha(w, d, settings)
        record |= {
            "sigma_weight": sigma_w,
            "sigma_delta": sigma_d,
            "alpha_dynamic": None if alpha is None else float(alpha),
        }
    if zero:
        record["skipped"] = "delta is zero"
        t = np.zeros_like(d)
        out = stored.copy()
    else:
        with np.errstate(all="ignore"):
            if role == "down":
                t = alpha * d
            else:
                gamma = np.float32(settings.gamma_cap)
                t = np.where(d < -gamma, -gamma, np.where(d > gamma, gamma, d))
            exact = fma32(t, w, w).reshape(w.shape)
            if settings.rounding == "nearest":
                out = round_nearest(exact, base.dtype)
            else:
                words = rounding_words(base.shape, rows, cols, name, settings.rounding_seed)
                out = round_stochastic(exact, base.dtype, words)

    with np.errstate(all="ignore"):
        good = np.isfinite(w) & np.isfinite(d) & np.isfinite(widen(out))
    if zero:
        # A matrix that is left as it is has no result to refuse; what is not finite in it still is.
        good = np.isfinite(w)
    if not good.all() and settings.nonfinite == "error":
        at = int(np.flatnonzero(~good.reshape(-1))[0])
        row, col = at // cols, at % cols
        raise BadInput(f"{name}: element {row * base.shape[1] + col} (row {row}, column {col}) is not finite")
    raw = np.uint16 if base.dtype != F32 else np.uint32
    bits_in, bits_out = stored.view(raw), np.ascontiguousarray(out).view(raw)
    bits_out = np.where(good, bits_out, bits_in)
    out = bits_out.view(base.dtype)

    w64 = np.where(good, w, 0).astype(np.float64)
    o64 = np.where(good, widen(out), 0).astype(np.float64)
    change = o64 - w64
    moved = good & (t != 0) & (w != 0)
    differs = bits_in != bits_out
    record |= {
        "moved": int(moved.sum()),
        "changed": int(differs.sum()),
        "lost": int((moved & ~differs).sum()),
        "clamped": int((good & (np.abs(d) > np.float32(settings.gamma_cap))).sum()) if role == "gate" and not zero else 0,
        "sign_flips": int((good & (t < -1) & (w != 0)).sum()),
        "zero_weights": int((good & (w == 0)).sum()),
        "nonfinite_kept": int((~good).sum()),
        "sum_w2": block_dot(w64, w64),
        "sum_out2": block_dot(o64, o64),
        "sum_change2": block_dot(change, change),
        "sum_change": block_sum(change),
        "sum_w_out": block_dot(w64, o64),
        "max_change": float(np.abs(change).max()) if change.size else 0.0,
    }
    record |= derived(record)
    fused = base.copy()
    fused[:rows, :cols] = out
    return fused, record
