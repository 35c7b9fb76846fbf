"""Every field of every point of a sweep against brute force."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from oracle.exact import BF16, F16, F32, widen
from oracle.numerics import Settings
from oracle.sweep import stochastic_counts

from .brute_force import Family, Inputs, assert_brute_force
from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import fuse
from .program import run_json
from .sweeping import EPSILON, checkpoint, partial_deltas, sweep

DTYPES = [BF16, F16, F32]


@pytest.mark.parametrize("delta_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_field_of_every_point(tmp_path, dtype, delta_dtype):
    # Matrices of one block and a tail of lanes; the norm follows the pair of types.
    layout = Layout(layers=2, hidden=72, width=130, dtype=dtype)
    base = checkpoint(tmp_path / "model", layout)
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout, delta_dtype))
    norm = ("match", "unit", "none")[(DTYPES.index(dtype) + DTYPES.index(delta_dtype)) % 3]
    settings = Settings(variance_norm=norm)
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 9, "--probe-seed", 5, settings=settings)
    inputs = Inputs(base, delta)
    seen = assert_brute_force(tmp_path, base, delta, lines, inputs, settings, lambda n: inputs.seeded(n, 9, 5))
    # With f32 weights only what is far below their last bit is lost.
    assert all(seen[name] > 0 for name in seen if name != "lost" or dtype != F32), seen


@pytest.mark.parametrize("exact", [False, True], ids=["before rounding", "exact"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_deltas_that_cover_in_part(tmp_path, dtype, exact):
    layout = Layout(layers=4, hidden=40, width=100, dtype=dtype)
    base = checkpoint(tmp_path / "model", layout)
    tensors = partial_deltas(layout)
    # Nothing at all for layer 3: it is not swept.
    for role in ("gate", "up", "down"):
        del tensors[layout.tensor_name(3, role)]
    delta = write_foreign_delta(tmp_path / "delta", tensors)
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 4, *["--exact"] * exact)
    inputs = Inputs(base, delta)
    assert inputs.layers == [0, 1, 2]
    assert_brute_force(tmp_path, base, delta, lines, inputs, Settings(), lambda n: inputs.seeded(n, 4, 0), exact)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_an_exact_sweep_is_what_fuses_record(tmp_path, rounding):
    layout = Layout(layers=2, hidden=40, width=100)
    base = checkpoint(tmp_path / "model", layout)
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout))
    settings = Settings(rounding=rounding, rounding_seed=2**63 + 5)
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 4, "--exact", settings=settings)
    inputs = Inputs(base, delta)
    assert_brute_force(tmp_path, base, delta, lines, inputs, settings, lambda n: inputs.seeded(n, 4, 0), exact=True)


def test_a_recipe_is_swept_like_its_stored_delta(tmp_path, example):
    axes = {"alphas": (0.02, 32.0), "gammas": (0.05, 25.0)}
    words = ("--layers", "4", "5", "--probe-tokens", "3")
    lines = {}
    for kind in ("stored", "recipe"):
        run_json("generate", "--base-model", example, "--output-dir", tmp_path / kind, *["--recipe-only"] * (kind == "recipe"))
        _, lines[kind] = sweep(example, tmp_path / kind, tmp_path / f"run-{kind}", *words, **axes)
    assert lines["stored"] == lines["recipe"]
    inputs = Inputs(example, tmp_path / "recipe", Family(epsilon=1e-6))
    inputs.layers = [4, 5]
    assert_brute_force(tmp_path, example, tmp_path / "stored", lines["recipe"], inputs, Settings(), lambda n: inputs.seeded(n, 3, 0), **axes)


FAMILIES = {
    # model_type -> (what surrounds the MLP, config)
    "llama": (Family(before="post_attention_layernorm", after=None, activation="silu"), {"hidden_act": "silu"}),
    "gemma2": (Family(offset=1.0), {"hidden_activation": "gelu_pytorch_tanh"}),
    "gemma3_text": (Family(offset=1.0), {"hidden_activation": "gelu_pytorch_tanh"}),
    "gemma4_text": (Family(after="post_feedforward_layernorm_1"), {"hidden_activation": "gelu_pytorch_tanh", "enable_moe_block": True}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_and_activations_of_the_families(tmp_path, family):
    around, config = FAMILIES[family]
    layout = Layout(layers=2, hidden=40, width=100, config={"model_type": family, "rms_norm_eps": EPSILON} | config)
    rng = np.random.default_rng(23)

    def edit(tensors):
        # All four norms are there, as in Gemma; a llama has only the first, and experts have their own.
        norms = ["post_attention_layernorm"]
        if family != "llama":
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        if around.after == "post_feedforward_layernorm_1":
            norms.append(around.after)
        for n in range(layout.layers):
            tensors.pop(f"model.layers.{n}.pre_feedforward_layernorm.weight")
            for norm in norms:
                values = np.exp(rng.standard_normal(layout.hidden)).astype(np.float32) - np.float32(around.offset)
                tensors[f"model.layers.{n}.{norm}.weight"] = values.astype(BF16)

    base = write_checkpoint(tmp_path / "model", layout, edit)
    if family == "llama":
        config = json.loads((base / "config.json").read_text())
        del config["hidden_activation"]
        (base / "config.json").write_text(json.dumps(config))
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout, BF16))
    axes = {"alphas": (0.02, 4.0), "gammas": (0.05, 2.0)}
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 5, **axes)
    inputs = Inputs(base, delta, around)
    assert len(inputs.before) == 2 and len(inputs.after) == (0 if around.after is None else 2)
    assert_brute_force(tmp_path, base, delta, lines, inputs, Settings(), lambda n: inputs.seeded(n, 5, 0), **axes)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_captured_probes(tmp_path, base, delta, dtype):
    rng = np.random.default_rng(3)
    rows = {n: (rng.standard_normal((n + 2, 40)) * 3).astype(dtype) for n in range(6)}
    save_file({f"layers.{n}.mlp_input": x for n, x in rows.items()}, tmp_path / "probe.safetensors")
    axes = {"alphas": (0.3, 8.0), "gammas": (0.05, 3.0)}
    _, lines = sweep(base, delta, tmp_path / "run", "--probe", tmp_path / "probe.safetensors", **axes)
    inputs = Inputs(base, delta, Family(epsilon=1e-6))
    assert_brute_force(tmp_path, base, delta, lines, inputs, Settings(), lambda n: widen(rows[n]), **axes)


def test_no_probes(tmp_path, base, delta):
    document, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 0)
    assert_brute_force(tmp_path, base, delta, lines, Inputs(base, delta), Settings(), None)
    assert document["budget"]["metric"] == "drift"


@pytest.mark.parametrize("dtype", [BF16, F16], ids=str)
def test_stochastic_rounding_in_expectation(tmp_path, dtype):
    layout = Layout(layers=2, hidden=40, width=100, dtype=dtype)
    base = write_checkpoint(tmp_path / "model", layout)
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout, F32, scale=0.2))
    axes = {"alphas": (0.01, 1.0), "gammas": (0.0, 0.003)}
    settings, seeds = Settings(rounding="stochastic"), 12
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 0, settings=settings, **axes)
    inputs, spread = Inputs(base, delta), 0
    for line in lines:
        if line["layer"] is None:
            continue
        at = replace(settings, alpha=line["alpha"], gamma_cap=line["gamma_cap"])
        for role in ("gate", "down"):
            want = stochastic_counts(inputs.weights[line["layer"], role], inputs.deltas[line["layer"], role], role, at)
            for name, (expected, _) in want.items():
                assert line[role][name] == pytest.approx(expected, rel=1e-12, abs=1e-9), (line["alpha"], line["gamma_cap"], role, name)
    # The expectation itself against what fuses do, over many seeds.
    for alpha, gamma in zip(axes["alphas"], axes["gammas"]):
        totals, variance = {}, {}
        for seed in range(seeds):
            document = fuse(base, delta, tmp_path / "out", replace(settings, alpha=alpha, gamma_cap=gamma, rounding_seed=seed), "--overwrite")
            for record in document["matrices"]:
                for name in ("changed", "lost"):
                    key = record["layer"], record["role"], name
                    totals[key] = totals.get(key, 0) + record[name]
        for line in lines:
            if (line["alpha"], line["gamma_cap"]) != (alpha, gamma) or line["layer"] is None:
                continue
            at = replace(settings, alpha=alpha, gamma_cap=gamma)
            for role in ("gate", "down"):
                want = stochastic_counts(inputs.weights[line["layer"], role], inputs.deltas[line["layer"], role], role, at)
                for name in ("changed", "lost"):
                    mean, variance = totals[line["layer"], role, name] / seeds, want[name][1]
                    # Five standard errors of the mean of independent roundings.
                    assert abs(line[role][name] - mean) <= 5 * math.sqrt(variance / seeds) + 1e-9, (alpha, gamma, line["layer"], role, name)
                    spread += variance
    assert spread > 100
