"""Generated deltas against the oracle's generator, as stored matrices and as recipes, and the function they compute."""

import json
import math
import os
import shutil

import numpy as np
import pytest

from oracle import generator
from oracle.generator import cell_frames, dealt_sources, generate_layer, load_recipe
from oracle.numerics import Settings
from oracle.tensors import dense_mlps, list_tensors, read_tensor

from .checkpoints import Layout, write_checkpoint
from .comparison import assert_fused, fuse, shard_hashes
from .program import BAD_INPUT, DONE, refusal, run, run_json, snapshot

RECIPE_KEYS = {"schema", "kind", "seed", "activation", "gains_per_cell", "gate_scale", "down_scale", "balance", "bank", "base", "layers"}


def generate(base, output, *more):
    run("generate", "--base-model", base, "--output-dir", output, *more, expect=DONE)
    return load_recipe(output / "delta.json")


def stored_matrices(folder):
    """(layer, role) -> matrix."""
    return {key: read_tensor(folder, entry) for key, entry in dense_mlps(list_tensors(folder)).items()}


def assert_generated(folder, recipe):
    """Every stored matrix equals the oracle's; gives how many elements were compared."""
    stored, compared = stored_matrices(folder), 0
    assert {layer for layer, _ in stored} == {entry["layer"] for entry in recipe["layers"]}
    for entry in recipe["layers"]:
        for role, want in generate_layer(recipe, entry).items():
            got = stored.pop((entry["layer"], role))
            assert got.dtype == want.dtype and got.shape == want.shape
            different = np.flatnonzero(got.view(np.uint16) != want.view(np.uint16))
            assert not different.size, f"layer {entry['layer']} {role}: {different.size} of {want.size} differ, the first at {np.unravel_index(different[0], want.shape)}"
            compared += want.size
    assert not stored
    return compared


def test_a_stored_delta_is_what_its_recipe_says(base, stored):
    recipe = load_recipe(stored / "delta.json")
    assert set(recipe) == RECIPE_KEYS
    assert (recipe["schema"], recipe["kind"], recipe["seed"]) == ("contourfuse.delta/1", "stored", 42)
    assert recipe["activation"] == "gelu_pytorch_tanh" and recipe["gains_per_cell"] == 8 and recipe["balance"] is True
    assert set(recipe["base"]) == {"family", "hidden_size", "digest"}
    assert [(e["layer"], e["kind"], e["hidden_size"], e["intermediate_size"], e["cells"]) for e in recipe["layers"]] == [
        (n, "global" if n == 5 else "sliding", 40, 100, 6) for n in range(6)
    ]
    assert assert_generated(stored, recipe) == 6 * 3 * 40 * 100
    names = {e.name for e in list_tensors(stored).values()}
    assert names == {n for n in list_tensors(base) if ".mlp." in n}
    assert sorted(os.listdir(stored)) == sorted(["delta.json", "delta.safetensors.index.json"] + [f"delta-layer-{n:05d}.safetensors" for n in range(6)])


@pytest.mark.parametrize(
    "words",
    [
        ["--seed", "0"], ["--seed", "18446744073709551615"], ["--no-balance"], ["--gate-scale", "0.3"], ["--down-scale", "1.7"],
        ["--gate-scale", "0.1", "--down-scale", "12.5", "--no-balance", "--seed", "4294967297"], ["--layers", "5", "1-2"], ["--layers", "global"],
    ],
    ids=" ".join,
)
def test_generate_flags(tmp_path, base, words):
    recipe = generate(base, tmp_path / "delta", *words)
    assert assert_generated(tmp_path / "delta", recipe)
    settings = Settings(alpha=0.5, gamma_cap=0.5)
    document = fuse(base, tmp_path / "delta", tmp_path / "out", settings, *(words if words[0] == "--layers" else []))
    assert_fused(document, base, tmp_path / "delta", tmp_path / "out", settings)


@pytest.mark.parametrize("hidden,width", [(12, 16 * 30), (17, 16 * 16), (17, 16 * 16 + 15), (64, 15), (2, 40), (129, 700)])
def test_shapes_with_several_bases_and_left_over_neurons(tmp_path, hidden, width):
    base = write_checkpoint(tmp_path / "model", Layout(layers=2, hidden=hidden, width=width, shards=1))
    recipe = generate(base, tmp_path / "delta")
    assert assert_generated(tmp_path / "delta", recipe) == 2 * 3 * hidden * width
    cells = recipe["layers"][0]["cells"]
    assert cells == width // 16
    if cells:
        stored = stored_matrices(tmp_path / "delta")
        assert not np.any(stored[0, "down"][:, 16 * cells :].view(np.uint16))


def test_stored_and_recipe_fuse_to_the_same_bits(tmp_path, base, stored, recipe):
    assert sorted(os.listdir(recipe)) == ["delta.json"]
    ours, theirs = load_recipe(recipe / "delta.json"), load_recipe(stored / "delta.json")
    assert ours["kind"] == "recipe" and {**ours, "kind": "stored"} == theirs
    for i, settings in enumerate([Settings(), Settings(alpha=3.0, gamma_cap=0.5, rounding="stochastic", variance_norm="unit")]):
        documents = [fuse(base, weights, tmp_path / f"{i}{k}", settings, "--threads", threads) for k, (weights, threads) in enumerate([(stored, 2), (recipe, 1), (recipe / "delta.json", 3)])]
        assert documents[0]["matrices"] == documents[1]["matrices"] == documents[2]["matrices"]
        assert shard_hashes(tmp_path / f"{i}0") == shard_hashes(tmp_path / f"{i}1") == shard_hashes(tmp_path / f"{i}2")
        assert_fused(documents[1], base, recipe, tmp_path / f"{i}1", settings)


def test_recipes_of_many_blocks(tmp_path):
    base = write_checkpoint(tmp_path / "model", Layout(layers=2, hidden=270, width=1100, double_wide_from=1))
    recipe = generate(base, tmp_path / "delta", "--recipe-only", "--seed", "77")
    assert [(e["intermediate_size"], e["cells"]) for e in recipe["layers"]] == [(1100, 68), (2200, 137)]
    settings = Settings(alpha=1.0, gamma_cap=0.7, rounding="stochastic")
    for threads in (1, 3):
        document = fuse(base, tmp_path / "delta", tmp_path / str(threads), settings, "--threads", threads)
        records = assert_fused(document, base, tmp_path / "delta", tmp_path / str(threads), settings)
    assert [r["double_wide"] for r in records] == [False, False, True, True]


def test_generating_twice_gives_the_same_folder(tmp_path, base, stored):
    generate(base, tmp_path / "again", "--threads", "1")
    assert snapshot(tmp_path / "again") == snapshot(stored)
    other = generate(base, tmp_path / "other", "--seed", "43")
    assert (tmp_path / "other" / "delta-layer-00000.safetensors").read_bytes() != (stored / "delta-layer-00000.safetensors").read_bytes()
    assert other["seed"] == 43


def test_config_only_needs_no_weights(tmp_path):
    layout = Layout(layers=12, double_wide_from=6)
    base = write_checkpoint(tmp_path / "model", layout)
    full = generate(base, tmp_path / "full", "--recipe-only")
    (tmp_path / "bare").mkdir()
    shutil.copy(base / "config.json", tmp_path / "bare" / "config.json")
    bare = generate(tmp_path / "bare", tmp_path / "light", "--recipe-only", "--config-only")
    assert bare["layers"] == full["layers"]


def test_a_bank_of_four_gains(tmp_path, base):
    bank = tmp_path / "bank.safetensors"
    run("neurons", "--activation", "gelu_pytorch_tanh", "--output", bank, "--gains-per-cell", "4", expect=DONE)
    recipe = generate(base, tmp_path / "delta", "--bank", bank)
    assert recipe["gains_per_cell"] == 4 and recipe["layers"][0]["cells"] == 12
    assert recipe["bank"]["sources"][0]["gains"] == [0.5, 1, 2, 32]
    assert assert_generated(tmp_path / "delta", recipe)
    shown = run_json("inspect", bank)
    assert shown["kind"] == "bank" and shown["sources"] == recipe["bank"]["sources"]


def test_the_bank_fits_its_sources(tmp_path):
    """F against f by an independent quadrature under the normal density on [-6, 6]."""
    for activation in ("gelu_pytorch_tanh", "silu"):
        bank = tmp_path / f"{activation}.safetensors"
        run("neurons", "--activation", activation, "--output", bank, expect=DONE)
        shown = run_json("inspect", bank)
        assert shown["activation"] == activation and len(shown["sources"]) >= 6
        z = np.linspace(-6, 6, 24001)
        density = np.exp(-z * z / 2)
        for source in shown["sources"]:
            assert set(source) >= {"name", "kind", "knots", "slopes", "gains", "coefficients", "fit_error"}
            assert all(generator.round_significant(k, 8) == k for k in source["coefficients"])
            f = piecewise_linear(source, z)
            error = math.sqrt((density * (cell_function(source, activation, z) - f) ** 2).sum() / (density * f * f).sum())
            # Two quadratures of functions with kinks: a part in a hundred of the figure is plenty.
            assert error == pytest.approx(source["fit_error"], rel=0.01), source["name"]
            assert error < 0.06


def piecewise_linear(source, z):
    """The odd source neuron: slopes between knots on z >= 0."""
    knots = [t for t in source["knots"] if t is not None and math.isfinite(t)]
    ends = [0.0, *[t for t in knots if t > 0], math.inf]
    value = np.zeros_like(z)
    for begin, end, slope in zip(ends[:-1], ends[1:], source["slopes"]):
        value += slope * (np.minimum(np.abs(z), end) - np.minimum(np.abs(z), begin))
    return np.sign(z) * value


def sigmoid_like(activation, u):
    """s(u) with act(u) + act(-u) = u s(u)."""
    if activation == "silu":
        return np.tanh(u / 2)
    return np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3))


def act(activation, u):
    return u * (1 + sigmoid_like(activation, u)) / 2


def cell_function(source, activation, z):
    """F(z), the sum of k psi_g(z)."""
    return sum(k * (g * z) ** 2 * sigmoid_like(activation, g * z) for g, k in zip(source["gains"], source["coefficients"]))


@pytest.mark.parametrize("balance", [True, False])
def test_a_stored_layer_computes_its_sources(tmp_path, balance):
    """<o_j, MLP(x)> against F_j(c_j x) in f64 from stored bf16 matrices, within a bound that follows from the rounding.

    All rows of a cell are exact multiples (powers of two) of one stored direction, so what is stored computes
    sum over cells i, gains p of k_ip psi_p(z'_i) o'_ip with z' = c'.x, where c' and o' differ from c and o by a relative
    u = (1 + 2^-8)(1 + 2^-16) - 1 per entry at most (table, then bf16). Hence
    |<o_j, y> - F_j(z_j)| <= |F_j(z'_j) - F_j(z_j)| + u sum_ip |k_ip psi_p(z'_i)| <|o_j|, |o_i|>,
    and the first term is below L |z' - z| with |z' - z| <= u <|c|, |x|> and, as psi_g = (g z)^2 s(g z) with |s| <= 1
    and u^2 |s'(u)| <= 1 for both activations, L = sum_p |k_p| g_p (2 g_p (|z| + |z' - z|) + 1).
    """
    hidden, width = 256, 16 * 40
    base = write_checkpoint(tmp_path / "model", Layout(layers=1, hidden=hidden, width=width, shards=1))
    recipe = generate(base, tmp_path / "delta", *([] if balance else ["--no-balance"]))
    layer, activation = recipe["layers"][0], recipe["activation"]
    stored = {role: m.astype(np.float64) for (_, role), m in stored_matrices(tmp_path / "delta").items()}
    x = np.random.default_rng(3).standard_normal((hidden, 400))
    gate = stored["gate"] @ x
    y = stored["down"] @ (act(activation, gate) * (stored["up"] @ x))

    frames, outputs, _ = cell_frames(recipe, layer)
    odd = 2 * np.arange(hidden) + 1
    e = generator.signs(hidden, recipe["seed"], 0, generator.INPUT_SIGNS, 0)
    e_out = generator.signs(hidden, recipe["seed"], 0, generator.OUTPUT_SIGNS, 0)
    wave = lambda r: math.sqrt(2 / hidden) * np.cos(np.pi * odd * r / (2 * hidden))
    c = np.stack([e * wave(r) for r in frames])
    o = np.stack([e_out * wave(r) for r in outputs])
    assert np.abs(o @ o.T - np.eye(len(o))).max() < 1e-12

    sources = dealt_sources(recipe, layer)
    u = (1 + 2.0**-8) * (1 + 2.0**-16) - 1
    z = c @ x
    shift = u * (np.abs(c) @ np.abs(x))
    magnitude = np.stack([
        sum(abs(k) * (g * (np.abs(z[i]) + shift[i])) ** 2 for g, k in zip(s["gains"], s["coefficients"])) for i, s in enumerate(sources)
    ])
    errors = []
    for j, source in enumerate(sources):
        want = cell_function(source, activation, z[j])
        lipschitz = sum(abs(k) * g * (2 * g * (np.abs(z[j]) + shift[j]) + 1) for g, k in zip(source["gains"], source["coefficients"]))
        bound = lipschitz * shift[j] + u * (np.abs(o[j]) @ np.abs(o).T) @ magnitude
        error = o[j] @ y - want
        assert (np.abs(error) <= bound).all()
        errors.append(math.sqrt((error**2).mean() / (want**2).mean()))
    # neurons.md 2: the storage error of a cell.
    assert np.mean(errors) <= 0.03 and max(errors) <= 0.08, (np.mean(errors), max(errors))
    # The mirror makes the block odd up to the rounding of f64 sums: no mean shift.
    mirrored = stored["down"] @ (act(activation, stored["gate"] @ -x) * (stored["up"] @ -x))
    assert np.abs(y + mirrored).max() <= 1e-9 * np.abs(y).max()


def test_the_columns_sum_to_zero(stored):
    for (_, role), matrix in stored_matrices(stored).items():
        sums = matrix.astype(np.float64).sum(axis=1 if role == "down" else 0)
        assert not sums.any()


def test_inspect_lists_the_cells(base, stored, recipe):
    for folder, is_stored in ((stored, True), (recipe, False)):
        made = load_recipe(folder / "delta.json")
        shown = run_json("inspect", folder, "--layer", "5")
        assert shown["kind"] == "delta" and shown["stored"] is is_stored and shown["seed"] == 42
        entry = made["layers"][5]
        frames, outputs, _ = cell_frames(made, entry)
        sources = dealt_sources(made, entry)
        want = [
            {"first_neuron": 16 * j, "neurons": 16, "source": sources[j]["name"], "frame": int(frames[j]), "output_frame": int(outputs[j])}
            for j in range(entry["cells"])
        ]
        assert shown["cells"] == want
        assert [{k: e[k] for k in ("layer", "kind", "intermediate_size", "cells", "gains_per_cell")} for e in run_json("inspect", folder)["layers"]] == [
            {"layer": n, "kind": made["layers"][n]["kind"], "intermediate_size": 100, "cells": 6, "gains_per_cell": 8} for n in range(6)
        ]


@pytest.mark.parametrize("change", ["coefficient", "unknown key", "cells", "schema", "depth", "twice", "source kind"])
def test_a_bad_recipe_is_refused(tmp_path, base, recipe, change):
    made = load_recipe(recipe / "delta.json")
    if change == "coefficient":
        made["bank"]["sources"][0]["coefficients"][0] = 1 + 2.0**-10
    elif change == "unknown key":
        made["extra"] = 1
    elif change == "cells":
        made["layers"][0]["cells"] += 1
    elif change == "schema":
        made["schema"] = "contourfuse.delta/9"
    elif change == "source kind":
        made["bank"]["sources"][0]["kind"] = "none"
    text = json.dumps(made)
    if change == "depth":
        text = text.replace('"seed": 42', '"seed": ' + "[" * 70 + "]" * 70)
    elif change == "twice":
        text = text.replace('"seed": 42', '"seed": 42, "seed": 42')
    (tmp_path / "delta.json").write_text(text)
    error = refusal("fuse", "--model", base, "--weights", tmp_path / "delta.json", "--output", tmp_path / "out")
    assert "delta.json" in error["file"]
    assert not (tmp_path / "out").exists()


def test_families_by_layer_kind(tmp_path, base):
    """Sources marked for one kind of layer go to no other; a recipe alone tells fuse so."""
    kinds = {}
    run("generate", "--base-model", base, "--output-dir", tmp_path / "recipe", "--recipe-only", expect=DONE)
    document = load_recipe(tmp_path / "recipe" / "delta.json")
    for i, source in enumerate(document["bank"]["sources"]):
        source["kind"] = kinds[source["name"]] = ["global", "sliding", "both"][i % 3]
    (tmp_path / "delta.json").write_text(json.dumps(document))
    shown = run_json("inspect", tmp_path / "delta.json", "--layer", "5")
    assert {kinds[c["source"]] for c in shown["cells"]} == {"global", "both"}
    shown = run_json("inspect", tmp_path / "delta.json", "--layer", "0")
    assert {kinds[c["source"]] for c in shown["cells"]} == {"sliding", "both"}
    settings = Settings(alpha=0.6, gamma_cap=0.6)
    fused = fuse(base, tmp_path / "delta.json", tmp_path / "out", settings)
    assert_fused(fused, base, tmp_path / "delta.json", tmp_path / "out", settings)


def test_the_generator_comparison_sees_a_planted_mistake(stored, monkeypatch):
    made = load_recipe(stored / "delta.json")
    monkeypatch.setattr(generator, "TABLE_BITS", 15)
    with pytest.raises(AssertionError):
        assert_generated(stored, made)


def test_generate_refuses(tmp_path, base, stored):
    before = snapshot(stored)
    refusal("generate", "--base-model", base, "--output-dir", stored)
    assert snapshot(stored) == before
    refusal("generate", "--base-model", tmp_path / "nothing", "--output-dir", tmp_path / "d")
    assert run("generate", "--base-model", base, "--output-dir", base / "d").code == BAD_INPUT
    assert run("generate", "--base-model", base, "--output-dir", tmp_path / "d", "--layers", "77").code == BAD_INPUT
    assert os.listdir(tmp_path) == [] and not (base / "d").exists()
