"""Fused checkpoints, records and moments against the oracle, bit for bit."""

import re

import numpy as np
import pytest

import oracle.numerics
from oracle.exact import BF16, F16, F32
from oracle.numerics import Settings

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import assert_fused, fuse, shard_hashes
from .program import refusal

DTYPES = [BF16, F16, F32]


def pair(tmp_path, layout, delta_tensors, edit=None):
    return write_checkpoint(tmp_path / "model", layout, edit), write_foreign_delta(tmp_path / "delta", delta_tensors)


@pytest.mark.parametrize("delta_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_pairs_of_types(tmp_path, dtype, delta_dtype):
    # 130 x 257 is four blocks and a tail; 2 x 7 less than a lane.
    layout = Layout(layers=2, hidden=130, width=257, dtype=dtype)
    base, delta = pair(tmp_path, layout, random_deltas(layout, delta_dtype))
    for i, (rounding, alpha, gamma) in enumerate([("nearest", 0.02, 0.05), ("nearest", 32.0, 25.0), ("stochastic", 0.7, 0.3)]):
        settings = Settings(alpha=alpha, gamma_cap=gamma, rounding=rounding, rounding_seed=2**63 + i)
        output = tmp_path / f"out{i}"
        document = fuse(base, delta, output, settings)
        records = assert_fused(document, base, delta, output, settings)
        assert all(r["moved"] > 0.9 * r["covered"] for r in records)
        assert any(r["clamped"] for r in records) and any(r["zero_weights"] for r in records)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("norm", ["match", "unit", "none"])
def test_norms_and_roundings(tmp_path, base, delta, norm, rounding):
    settings = Settings(alpha=0.31, gamma_cap=0.4, variance_norm=norm, rounding=rounding, rounding_seed=7)
    document = fuse(base, delta, tmp_path / "out", settings)
    assert_fused(document, base, delta, tmp_path / "out", settings)
    assert document["parameters"] == {
        "alpha": 0.31, "gamma_cap": float(np.float32(0.4)), "variance_norm": norm,
        "rounding": rounding, "rounding_seed": 7, "nonfinite": "error",
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cut", ["rows", "columns", "both", "one element"])
def test_partial_coverage(tmp_path, dtype, cut):
    layout = Layout(layers=2, hidden=70, width=150, dtype=dtype)
    tensors = random_deltas(layout, BF16)
    cutting = {
        "rows": lambda t: t[: t.shape[0] - 13],
        "columns": lambda t: t[:, : t.shape[1] - 9],
        "both": lambda t: t[: t.shape[0] // 2, : t.shape[1] // 2 + 1],
        "one element": lambda t: t[:1, :1],
    }[cut]
    name = layout.tensor_name(1, "down")
    gate = layout.tensor_name(0, "gate")
    for cut_name in (name, gate):
        tensors[cut_name] = np.ascontiguousarray(cutting(tensors[cut_name]))
    # A single covered element has no spread, which match and unit refuse.
    norm = "none" if cut == "one element" else "match"
    settings = Settings(alpha=2.0, gamma_cap=1.0, rounding="stochastic", variance_norm=norm)
    base, delta = pair(tmp_path, layout, tensors)
    document = fuse(base, delta, tmp_path / "out", settings)
    assert_fused(document, base, delta, tmp_path / "out", settings)
    assert sorted(document["coverage"]["partial"]) == sorted([name, gate])
    assert refusal("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "full", "--require-full-coverage")["tensor"] in (name, gate)
    assert not (tmp_path / "full").exists()


@pytest.mark.parametrize("hidden,width", [(1, 1), (2, 3), (16, 16), (32, 256), (64, 128), (64, 129), (91, 90), (8, 3073), (3073, 8)])
def test_sizes_around_blocks_and_vectors(tmp_path, hidden, width):
    layout = Layout(layers=1, hidden=hidden, width=width, shards=1)
    tensors = random_deltas(layout, BF16, roles=("gate", "down"))
    settings = Settings(alpha=0.5, gamma_cap=0.5, rounding="stochastic", variance_norm="none" if hidden * width == 1 else "match")
    base, delta = pair(tmp_path, layout, tensors)
    document = fuse(base, delta, tmp_path / "out", settings)
    assert_fused(document, base, delta, tmp_path / "out", settings)


def test_a_zero_delta_leaves_the_matrix(tmp_path):
    layout = Layout(layers=2)
    tensors = random_deltas(layout)
    for role in ("gate", "down"):
        zero = tensors[layout.tensor_name(0, role)]
        zero[:] = 0
        zero[:, ::2] = -0.0
    base, delta = pair(tmp_path, layout, tensors)
    for norm in ("match", "unit", "none"):
        settings = Settings(alpha=1.0, gamma_cap=1.0, variance_norm=norm)
        document = fuse(base, delta, tmp_path / norm, settings)
        records = assert_fused(document, base, delta, tmp_path / norm, settings)
        assert sum("skipped" in r for r in records) == 2


@pytest.mark.parametrize("value", [0.1, -3.0, 1e-3])
def test_an_equal_delta_has_no_spread(tmp_path, value):
    layout = Layout(layers=1)
    tensors = random_deltas(layout)
    name = layout.tensor_name(0, "down")
    tensors[name][:] = value
    base, delta = pair(tmp_path, layout, tensors)
    for norm in ("match", "unit"):
        arguments = ("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out", "--variance-norm", norm)
        assert refusal(*arguments)["tensor"] == name
        assert not (tmp_path / "out").exists()
    settings = Settings(variance_norm="none", alpha=0.5)
    assert_fused(fuse(base, delta, tmp_path / "out", settings), base, delta, tmp_path / "out", settings)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_values_that_are_not_finite(tmp_path, dtype, rounding):
    layout = Layout(layers=2, dtype=dtype)
    down, gate = layout.tensor_name(0, "down"), layout.tensor_name(1, "gate")

    def spoil(tensors):
        tensors[down][3, 5], tensors[gate][7, 1], tensors[gate][9, 9] = np.inf, np.nan, -np.inf
        # Half as much again is beyond the type's largest.
        tensors[gate][20, 30] = {BF16: 3e38, F16: 60000, F32: 3e38}[dtype]

    tensors = random_deltas(layout)
    tensors[down][2, 2], tensors[gate][7, 1], tensors[gate][11, 0] = np.nan, np.nan, np.inf
    tensors[gate][20, 30] = 0.5
    base, delta = pair(tmp_path, layout, tensors, spoil)
    arguments = ("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out", "--gamma-cap", "0.6", "--rounding", rounding)
    error = refusal(*arguments)
    assert error["tensor"] in (down, gate)
    assert "element" in error["message"] and "(row " in error["message"]
    assert not (tmp_path / "out").exists()
    settings = Settings(gamma_cap=0.6, rounding=rounding, nonfinite="keep")
    document = fuse(base, delta, tmp_path / "out", settings)
    records = {r["name"]: r for r in assert_fused(document, base, delta, tmp_path / "out", settings)}
    assert records[down]["nonfinite_kept"] == 2 and records[gate]["nonfinite_kept"] == 4


def test_the_first_element_that_is_not_finite_is_named(tmp_path):
    layout = Layout(layers=1)
    name = layout.tensor_name(0, "gate")

    def spoil(tensors):
        tensors[name][61, 12], tensors[name][61, 13], tensors[name][99, 0] = np.nan, np.inf, np.inf

    base, delta = pair(tmp_path, layout, random_deltas(layout), spoil)
    for threads in (1, 3):
        error = refusal("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out", "--threads", threads)
        assert error["tensor"] == name
        assert f"element {61 * 40 + 12} (row 61, column 12)" in error["message"]
        assert re.search(r"\b3\b", error["message"])


def test_threads_change_no_bit(tmp_path):
    layout = Layout(layers=3, hidden=300, width=700)
    base, delta = pair(tmp_path, layout, random_deltas(layout, F16))
    settings = Settings(alpha=0.4, rounding="stochastic", rounding_seed=5)
    documents, hashes = [], []
    for threads in (1, 2, 3):
        document = fuse(base, delta, tmp_path / str(threads), settings, "--threads", threads)
        documents.append([document["matrices"], document["totals"]])
        hashes.append(shard_hashes(tmp_path / str(threads)) | {"m": (tmp_path / str(threads) / "contourfuse.json").read_text()})
    assert documents[0] == documents[1] == documents[2]
    assert hashes[0] == hashes[1] == hashes[2]
    assert_fused(document, base, delta, tmp_path / "3", settings)


def test_selected_layers(tmp_path, base, delta):
    for words, layers in [(["1", "4"], [1, 4]), (["0-2"], [0, 1, 2]), (["global"], [5]), (["sliding"], [0, 1, 2, 3, 4]), (["all"], list(range(6)))]:
        output = tmp_path / words[0]
        document = fuse(base, delta, output, Settings(), "--layers", *words)
        assert document["selected_layers"] == layers
        assert_fused(document, base, delta, output, Settings(), layers)


def test_large_alpha_flips_signs(tmp_path, base, delta):
    settings = Settings(alpha=32.0, gamma_cap=25.0)
    document = fuse(base, delta, tmp_path / "out", settings)
    records = assert_fused(document, base, delta, tmp_path / "out", settings)
    assert all(r["sign_flips"] > 0 for r in records)


def test_missing_and_unknown_keys(tmp_path, layout, base):
    tensors = random_deltas(layout, layers=[0, 3])
    tensors["model.layers.9.mlp.gate_proj.weight"] = tensors[layout.tensor_name(0, "gate")]
    tensors["model.layers.0.self_attn.q_proj.weight"] = tensors[layout.tensor_name(0, "gate")]
    del tensors[layout.tensor_name(3, "gate")]
    delta = write_foreign_delta(tmp_path / "delta", tensors, files=3, index=True)
    document = fuse(base, delta, tmp_path / "out", Settings(), "--layers", "0", "3")
    assert_fused(document, base, delta, tmp_path / "out", Settings(), [0, 3])
    assert document["coverage"]["missing_keys"] == [layout.tensor_name(3, "gate")]
    assert sorted(document["coverage"]["unknown_keys"]) == ["model.layers.0.self_attn.q_proj.weight", "model.layers.9.mlp.gate_proj.weight"]


@pytest.mark.parametrize("what", ["rows", "columns", "rank", "type"])
def test_a_delta_that_does_not_fit(tmp_path, layout, base, what):
    name = layout.tensor_name(2, "down")
    matrix = {
        "rows": np.ones((41, 100), np.float32),
        "columns": np.ones((40, 101), np.float32),
        "rank": np.ones((4000,), np.float32),
        "type": np.ones((40, 100), np.int32),
    }[what]
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout) | {name: matrix})
    error = refusal("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out")
    assert error["tensor"] == name
    if what != "type":
        assert "40" in error["message"] and "100" in error["message"]
    assert not (tmp_path / "out").exists()


def test_an_up_delta_is_no_matter(tmp_path, layout, base):
    tensors = random_deltas(layout, roles=("gate", "down"))
    delta = write_foreign_delta(tmp_path / "delta", tensors)
    document = fuse(base, delta, tmp_path / "out")
    assert_fused(document, base, delta, tmp_path / "out")
    assert document["coverage"]["missing_keys"] == []


@pytest.mark.parametrize("mistake", ["alpha", "block", "name"])
def test_the_comparison_sees_a_planted_mistake(tmp_path, base, delta, monkeypatch, mistake):
    settings = Settings(alpha=0.5, rounding="stochastic")
    document = fuse(base, delta, tmp_path / "out", settings)
    assert_fused(document, base, delta, tmp_path / "out", settings)
    if mistake == "alpha":
        settings = Settings(alpha=0.5 * (1 + 2.0**-20), rounding="stochastic")
    elif mistake == "block":
        monkeypatch.setattr(oracle.numerics, "BLOCK", 4096)
        monkeypatch.setattr(oracle.numerics, "LANES", 128)
    else:
        words = oracle.numerics.rounding_words
        monkeypatch.setattr(oracle.numerics, "rounding_words", lambda s, r, c, name, seed: words(s, r, c, name + " ", seed))
    with pytest.raises(AssertionError):
        assert_fused(document, base, delta, tmp_path / "out", settings)
