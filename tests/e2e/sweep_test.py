"""Sweeps against brute force: every point fused by the program and measured in numpy."""

import csv
import json
import math
import os
import shutil
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from oracle.exact import BF16, F16, F32, widen
from oracle.fuse import load_delta
from oracle.numerics import Settings
from oracle.sweep import (
    budget_best,
    budget_front,
    edited_before_rounding,
    matrix_counts,
    matrix_sums,
    mlp,
    output_metrics,
    output_sums,
    pooled,
    seeded_probe,
    stochastic_counts,
)
from oracle.tensors import list_tensors, read_header, read_tensor

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import fuse, shard_hashes
from .program import BAD_INPUT, DONE, FAILED, INCOMPLETE, USAGE, refusal, run, run_json, snapshot

DTYPES = [BF16, F16, F32]
ALPHAS, GAMMAS = (-0.5, 0.0, 0.02, 0.3, 8.0), (0.0, 0.004, 0.3, 100.0)
EPSILON = 1e-5
COUNTS = ("covered", "moved", "changed", "lost", "sign_flips")
ROLES = {"gate": {*COUNTS, "clamped", "drift", "mean_shift"}, "down": {*COUNTS, "drift", "mean_shift"}}
# A sum of K ≤ 130 f32 products is off by √K·2⁻²⁴ < 10⁻⁶ of its size or so, and h(γ) − h(0) by that much of h,
# however small the difference: relative where an edit is felt, absolute (against ‖Y‖) below.
OUTPUT_REL, OUTPUT_ABS = 1e-5, 16 * 2.0**-24


def norm_weights(layout, stem):
    """The two norms around the MLPs of a Gemma 4, of any size."""

    def edit(tensors):
        rng = np.random.default_rng(17)
        for n in range(layout.layers):
            for norm in ("pre_feedforward_layernorm", "post_feedforward_layernorm"):
                values = np.exp(rng.standard_normal(layout.hidden)).astype(np.float32)
                tensors[f"{stem.format(layer=n)}{norm}.weight"] = values.astype(layout.dtype)

    return edit


def checkpoint(folder, layout):
    layout = replace(layout, config={"rms_norm_eps": EPSILON} | layout.config)
    return write_checkpoint(folder, layout, norm_weights(layout, "model.layers.{layer}."))


@dataclass
class Family:
    """What surrounds an MLP: the norm before, the norm after (or none), what is added to their weights, the activation."""

    before: str = "pre_feedforward_layernorm"
    after: str | None = "post_feedforward_layernorm"
    offset: float = 0.0
    activation: str = "gelu_pytorch_tanh"
    epsilon: float = EPSILON


class Inputs:
    """Base and delta as numpy arrays by layer and role."""

    def __init__(self, base, delta, family=Family()):
        entries = list_tensors(base)
        deltas = load_delta(str(delta), entries)
        self.family, self.weights, self.deltas, self.before, self.after = family, {}, {}, {}, {}
        for name, entry in entries.items():
            parts = name.split(".")
            if parts[:2] != ["model", "layers"] or parts[-1] != "weight":
                continue
            layer, what = int(parts[2]), parts[-2]
            if parts[3] == "mlp":
                role = what.removesuffix("_proj")
                self.weights[layer, role] = read_tensor(base, entry)
                if name in deltas and role != "up":
                    self.deltas[layer, role] = deltas[name]
            elif what in (family.before, family.after):
                side = self.before if what == family.before else self.after
                side[layer] = widen(read_tensor(base, entry)).astype(np.float64) + family.offset
        self.layers = sorted({layer for layer, _ in self.deltas})

    def seeded(self, layer, tokens, seed):
        return seeded_probe(tokens, self.weights[layer, "gate"].shape[1], seed, self.before.get(layer))

    def outputs(self, layer, settings, probe, fused=None):
        """Sums of the output at a point, edited before rounding or, given fused matrices, as stored."""
        matrices = {role: self.weights[layer, role] for role in ("gate", "up", "down")}
        before = mlp(probe, *(widen(m) for m in matrices.values()), self.family.activation)
        after = {role: widen(m).astype(np.float64) for role, m in matrices.items()}
        for role in ("gate", "down"):
            if fused is not None:
                after[role] = widen(fused[layer, role])
            else:
                after[role] = edited_before_rounding(matrices[role], self.deltas.get((layer, role)), role, settings)
        norm = (self.after[layer], self.family.epsilon) if layer in self.after else None
        return output_sums(before, mlp(probe, after["gate"], after["up"], after["down"], self.family.activation), norm)


def read_fused(folder, inputs):
    """(layer, role) -> matrix of a fused checkpoint."""
    return {
        (int(parts[2]), parts[-2].removesuffix("_proj")): read_tensor(folder, entry)
        for name, entry in list_tensors(folder).items()
        if (parts := name.split("."))[:2] == ["model", "layers"] and parts[3] == "mlp"
    }


def sweep_words(base, delta, alphas=ALPHAS, gammas=GAMMAS, settings=Settings()):
    words = ["--model", base, "--weights", delta, "--alphas", *map(repr, alphas), "--gammas", *map(repr, gammas)]
    for name in ("variance_norm", "rounding", "rounding_seed"):
        if getattr(settings, name) != getattr(Settings(), name):
            words += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    return words


def sweep(base, delta, folder, *more, **axes):
    """Runs `sweep run --json`; (document, lines of results.jsonl)."""
    document = run_json("sweep", "run", *sweep_words(base, delta, **axes), "--output", folder, *more)
    return document, read_lines(folder)


def read_lines(folder):
    with open(folder / "results.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def assert_matrix(got, role, counts, sums, rel, where):
    assert set(got) == ROLES[role], where
    wrong = {k: (got[k], v) for k, v in counts.items() if got[k] != v}
    assert not wrong, f"{where}: (program, brute force) {wrong}"
    assert_sums(got, sums, counts["covered"], rel, where)


def assert_sums(got, sums, covered, rel, where):
    assert got["drift"] == pytest.approx(math.sqrt(sums["change2"] / sums["weight2"]), rel=rel, abs=0), where
    # Terms of both signs cancel, so the sum's error is measured by their size.
    assert abs(got["mean_shift"] - sums["change"] / covered) <= rel * sums["size"] / covered, where


def assert_output(got, sums, where):
    want = output_metrics(sums)
    assert set(got) == set(want), where
    rms = math.sqrt(sums["base2"] / sums["values"])
    for name, value in want.items():
        if value is None:
            assert got[name] is None, (where, name)
            continue
        scale = {"mean_shift": rms, "cosine": want["error"] + 1}.get(name, 1)
        # A mean shift is a small rest of changes of both signs.
        size = rms * want["error"] if name == "mean_shift" else abs(value) if name != "cosine" else min(1, want["error"])
        assert abs(got[name] - value) <= OUTPUT_REL * size + OUTPUT_ABS * scale, (where, name, got[name], value)


def add(parts):
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def assert_brute_force(tmp_path, base, delta, lines, inputs, settings, probe_of, exact=False, alphas=ALPHAS, gammas=GAMMAS):
    """Every line against the point fused by itself; gives the summed counts, for tests of the tests."""
    seen = {"lost": 0, "changed": 0, "clamped": 0, "sign_flips": 0}
    rest = iter(lines)
    for i, gamma in enumerate(gammas):
        for k, alpha in enumerate(alphas):
            at = replace(settings, alpha=alpha, gamma_cap=gamma)
            document = fuse(base, delta, tmp_path / f"point-{i}-{k}", at)
            records = {(r["layer"], r["role"]): r for r in document["matrices"]}
            fused = read_fused(tmp_path / f"point-{i}-{k}", inputs)
            counts, sums, outputs = {}, {}, []
            for layer in inputs.layers:
                line, where = next(rest), f"alpha {alpha} gamma {gamma} layer {layer}"
                assert (line["alpha"], line["gamma_cap"], line["layer"]) == (alpha, gamma, layer)
                for role in ("gate", "down"):
                    if (layer, role) not in inputs.deltas:
                        assert line[role] is None, where
                        continue
                    weight, d = inputs.weights[layer, role], inputs.deltas[layer, role]
                    own = counts[layer, role] = matrix_counts(weight, fused[layer, role], d, role, at)
                    sums[layer, role] = matrix_sums(weight, d, role, at, fused[layer, role] if exact else None)
                    assert_matrix(line[role], role, own, sums[layer, role], 1e-12 if exact else 1e-9, f"{where} {role}")
                    record = records[layer, role]
                    assert {k: record[k] for k in own} == own, where
                    if exact:
                        assert line[role]["drift"] == pytest.approx(record["drift"], rel=1e-12, abs=0), where
                    for name in seen:
                        seen[name] += own.get(name, 0)
                if probe_of is None:
                    assert line["output"] is None
                else:
                    outputs.append(inputs.outputs(layer, at, probe_of(layer), fused if exact else None))
                    assert_output(line["output"], outputs[-1], where)
            line, where = next(rest), f"alpha {alpha} gamma {gamma}, all layers"
            assert (line["alpha"], line["gamma_cap"], line["layer"]) == (alpha, gamma, None)
            for role in ("gate", "down"):
                own = [key for key in counts if key[1] == role]
                rel = 1e-12 if exact else 1e-9
                assert_matrix(line[role], role, add([counts[key] for key in own]), add([sums[key] for key in own]), rel, f"{where} {role}")
            if probe_of is None:
                assert line["output"] is None
            else:
                assert_output(line["output"], pooled(outputs), where)
    assert next(rest, None) is None
    return seen


# ---- every field of every point ----


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


def partial_deltas(layout):
    """Rows, columns and whole roles missing."""
    tensors = random_deltas(layout, BF16)
    cut = lambda name, rows, cols: tensors.update({name: np.ascontiguousarray(tensors[name][:rows, :cols])})
    cut(layout.tensor_name(0, "gate"), 91, None)
    cut(layout.tensor_name(0, "down"), None, 33)
    cut(layout.tensor_name(1, "down"), 7, 5)
    del tensors[layout.tensor_name(1, "gate")], tensors[layout.tensor_name(2, "down")]
    return tensors


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


# ---- what is derived from the points ----


def test_gamma_beyond_the_largest_delta(tmp_path, base):
    layout = Layout()
    tensors = random_deltas(layout, scale=0.01)
    delta = write_foreign_delta(tmp_path / "delta", tensors)
    largest = max(float(np.abs(t).max()) for name, t in tensors.items() if "gate" in name)
    document, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 3, alphas=(0.5,), gammas=(0.01, largest, 2 * largest, 50.0))
    assert document["gamma_saturates_at"] == largest
    at = {gamma: [line for line in lines if line["gamma_cap"] == gamma] for gamma in (0.01, largest, 2 * largest, 50.0)}
    numbers = lambda some: [{k: v for k, v in line.items() if k != "gamma_cap"} for line in some]
    assert numbers(at[largest]) == numbers(at[2 * largest]) == numbers(at[50.0]) != numbers(at[0.01])
    assert all(line["gate"]["clamped"] == 0 for line in at[largest])


def metric_of(line, metric):
    if metric == "drift":
        return math.hypot(line["gate"]["drift"], line["down"]["drift"])
    return line["output"][metric.removeprefix("output_")]


@pytest.mark.parametrize("metric", ["error_after_norm", "output_error", "drift"])
def test_budget(tmp_path, example, metric):
    run_json("generate", "--base-model", example, "--output-dir", tmp_path / "delta", "--recipe-only")
    axes = {"alphas": (0.0, 4.0, 0.02, 1.0, -2.0, 16.0, 32.0), "gammas": (0.0, 1.0, 0.05, 0.2, 5.0, 0.5)}
    sizes = []
    for limit in (0.0, 0.2, 0.9, 100.0):
        document, lines = sweep(example, tmp_path / "delta", tmp_path / f"run-{limit}", "--layers", "5", "11", "--probe-tokens", 8, "--budget", f"{metric}={limit}", **axes)
        totals = [line for line in lines if line["layer"] is None]
        assert document["points"] == totals
        values = {(line["alpha"], line["gamma_cap"]): metric_of(line, metric) for line in totals}
        want = budget_front([(*point, value) for point, value in values.items()], limit)
        budget = document["budget"]
        assert (budget["metric"], budget["limit"]) == (metric, limit)
        got = [(p["alpha"], p["gamma_cap"], p["value"]) for p in budget["front"]]
        assert sorted(p[:2] for p in got) == sorted(p[:2] for p in want)
        assert all(value == pytest.approx(values[a, g], rel=1e-12, abs=0) for a, g, value in got)
        best = budget_best(want)
        assert (None if budget["best"] is None else (budget["best"]["alpha"], budget["best"]["gamma_cap"])) == (best and best[:2])
        sizes.append(len(got))
    # No edit costs nothing, so there is always a point; the widest budget holds the far corner alone.
    assert sizes[0] == 1 and max(sizes) > 1 and sizes[-1] == 1


def test_default_budget(tmp_path, base, delta, example):
    document, _ = sweep(base, delta, tmp_path / "no-norm", "--probe-tokens", 2, alphas=(0.02,), gammas=(0.05,))
    assert (document["budget"]["metric"], document["budget"]["limit"]) == ("drift", 0.05)
    run_json("generate", "--base-model", example, "--output-dir", tmp_path / "delta", "--recipe-only")
    document, _ = sweep(example, tmp_path / "delta", tmp_path / "norm", "--layers", "5", "--probe-tokens", 2, alphas=(0.02,), gammas=(0.05,))
    assert (document["budget"]["metric"], document["budget"]["limit"]) == ("error_after_norm", 0.05)


def flatten(value, path=""):
    """{path joined by _: text or number} of a line."""
    if not isinstance(value, dict):
        return {path: value}
    found = {}
    for key, item in value.items():
        found |= flatten(item, f"{path}_{key}" if path else key)
    return found


def test_the_csv_says_what_the_jsonl_says(tmp_path):
    layout = Layout(layers=4, hidden=40, width=100)
    base = checkpoint(tmp_path / "model", layout)
    delta = write_foreign_delta(tmp_path / "delta", partial_deltas(layout))
    _, lines = sweep(base, delta, tmp_path / "run", "--probe-tokens", 3)
    with open(tmp_path / "run" / "results.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = reader.fieldnames, list(reader)
    whole = next(line for line in lines if line["gate"] and line["down"] and line["output"])
    assert names == list(flatten(whole))
    assert len(rows) == len(lines) == len(ALPHAS) * len(GAMMAS) * (layout.layers + 1)
    empty = 0
    for row, line in zip(rows, lines):
        values = flatten(line)
        for name, text in row.items():
            value = values.get(name)
            assert text == "" if value is None else float(text) == value, (name, text, value)
            empty += value is None
    assert empty > len(lines)


# ---- one box, many tasks ----


def plan(base, delta, folder, *more, **axes):
    return run_json("sweep", "plan", *sweep_words(base, delta, **axes), "--probe-tokens", 3, "--output", folder, *more)


def work(folder, *words, **options):
    return run_json("sweep", "work", folder, *words, **options)


def results(folder):
    return {name: (folder / name).read_bytes() for name in ("results.jsonl", "results.csv")}


def parts(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "parts").iterdir())}


@pytest.fixture(scope="module")
def done(tmp_path_factory, base, delta):
    """A run made in one go."""
    folder = tmp_path_factory.mktemp("done") / "run"
    sweep(base, delta, folder, "--probe-tokens", 3)
    return folder


def test_tasks_and_a_merge_make_the_same_bytes(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    for task in (4, 0, 5, 2, 1, 3):
        work(tmp_path / "run", "--task", task)
        # A second time nothing is done.
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
        work(tmp_path / "run", "--task", task)
        assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()} == before
    assert parts(tmp_path / "run") == parts(done)
    assert (tmp_path / "run" / "plan.json").read_bytes() == (done / "plan.json").read_bytes()
    for _ in range(2):
        run_json("sweep", "merge", tmp_path / "run")
        assert results(tmp_path / "run") == results(done)


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_makes_the_same_bytes(tmp_path, base, delta, done, threads):
    sweep(base, delta, tmp_path / "run", "--probe-tokens", 3, "--threads", threads)
    assert parts(tmp_path / "run") == parts(done) and results(tmp_path / "run") == results(done)


def test_tasks_from_a_job_array(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    # Six tasks, four elements numbered 10, 13, 16, 19; the last has one task, as has the third.
    for element in (19, 10, 16, 13):
        slurm = {"SLURM_ARRAY_TASK_ID": element, "SLURM_ARRAY_TASK_COUNT": 4, "SLURM_ARRAY_TASK_MIN": 10, "SLURM_ARRAY_TASK_STEP": 3}
        work(tmp_path / "run", "--task-from-env", environment={k: str(v) for k, v in slurm.items()})
        if element == 10:
            assert set(parts(tmp_path / "run")) == {"0.json", "4.json", "3.json"}
    run_json("sweep", "merge", tmp_path / "run")
    assert results(tmp_path / "run") == results(done)
    beyond = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "9", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"}
    work(tmp_path / "run", "--task-from-env", environment=beyond)


def test_layers_of_a_task_do_not_change_the_results(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run", "--layers-per-task", 4)
    for task in (0, 1):
        work(tmp_path / "run", "--task", task)
    assert len(parts(tmp_path / "run")) == 2
    run_json("sweep", "merge", tmp_path / "run")
    assert results(tmp_path / "run") == results(done)


def test_a_merge_waits_for_every_part(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    for task in range(5):
        run("sweep", "merge", tmp_path / "run", expect=INCOMPLETE)
        assert not (tmp_path / "run" / "results.jsonl").exists()
        work(tmp_path / "run", "--task", task)
    error = refusal("sweep", "merge", tmp_path / "run", expect=INCOMPLETE)
    assert "5" in error["message"]
    work(tmp_path / "run", "--task", 5)
    run("sweep", "merge", tmp_path / "run", expect=DONE)
    assert results(tmp_path / "run") == results(done)


def test_a_run_goes_on_where_it_stopped(tmp_path, base, delta, done):
    shutil.copytree(done, tmp_path / "run")
    (tmp_path / "run" / "parts" / "2.json").unlink()
    (tmp_path / "run" / "results.jsonl").unlink()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
    sweep(base, delta, tmp_path / "run", "--probe-tokens", 3)
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
    assert before.items() < after.items() and set(after) - set(before) == {"2.json"}
    assert parts(tmp_path / "run") == parts(done) and results(tmp_path / "run") == results(done)


def test_a_folder_of_something_else(tmp_path, base, delta, done):
    shutil.copytree(done, tmp_path / "run")
    before = snapshot(tmp_path / "run")
    words = ("sweep", "run", *sweep_words(base, delta, alphas=(0.5,)), "--probe-tokens", 3)
    assert refusal(*words, "--output", tmp_path / "run")["kind"] == "run-differs"
    assert snapshot(tmp_path / "run") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.txt").write_text("mine")
    assert refusal(*words, "--output", tmp_path / "mine")["kind"] == "run-differs"
    assert snapshot(tmp_path / "mine") == {"mine.txt": b"mine"}


def test_a_plan_that_is_none(tmp_path, done):
    shutil.copytree(done, tmp_path / "run")
    plan_file = tmp_path / "run" / "plan.json"
    document = json.loads(plan_file.read_text())
    for text in ("", "{}", plan_file.read_text()[:-3], json.dumps(document | {"schema": "another/1"}), json.dumps(document | {"tasks": [[]]})):
        plan_file.write_text(text)
        for words in (["work", tmp_path / "run", "--task", 0], ["merge", tmp_path / "run"], ["report", tmp_path / "run"]):
            refusal("sweep", *words)
    # A plan with other values is another plan: the parts are not its own.
    plan_file.write_text(json.dumps(document | {"alphas": document["alphas"][::-1]}))
    assert refusal("sweep", "merge", tmp_path / "run")["kind"] == "part-damaged"
    plan_file.unlink()
    assert refusal("sweep", "merge", tmp_path / "run")["kind"] == "no-plan"


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "of another task"])
def test_a_damaged_part(tmp_path, done, damage):
    folder = tmp_path / "run"
    shutil.copytree(done, folder)
    part = folder / "parts" / "3.json"
    text = bytearray(part.read_bytes())
    digit = max(i for i, c in enumerate(text[: len(text) // 2]) if chr(c).isdigit())
    text[digit] ^= 1
    part.write_bytes({"flipped": bytes(text), "short": bytes(text)[:-1], "empty": b"", "of another task": (folder / "parts" / "2.json").read_bytes()}[damage])
    before = snapshot(folder)
    error = refusal("sweep", "merge", folder)
    assert error["kind"] == "part-damaged" and error["file"].endswith("3.json")
    assert snapshot(folder) == before
    part.unlink()
    work(folder, "--task", 3)
    run("sweep", "merge", folder, expect=DONE)
    assert parts(folder) == parts(done) and results(folder) == results(done)


def flip_a_byte(path, at):
    """One bit, and the file looks as old as before."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("what", ["gate", "up", "down", "norm", "delta", "probe", "config", "another delta"])
def test_inputs_that_changed(tmp_path, layout, base, delta, what):
    model, weights, folder, probe = tmp_path / "model", tmp_path / "delta", tmp_path / "run", tmp_path / "probe.safetensors"
    shutil.copytree(base, model)
    shutil.copytree(delta, weights)
    rows = np.random.default_rng(1).standard_normal((3, layout.hidden)).astype(np.float32)
    save_file({f"layers.{n}.mlp_input": rows for n in range(6)}, probe)
    more = ["--probe", probe] if what == "probe" else []
    run_json("sweep", "plan", *sweep_words(model, weights), "--output", folder, *more)
    work(folder, "--task", 0)
    before = snapshot(folder)
    name = {"norm": "model.layers.2.pre_feedforward_layernorm.weight"}.get(what, layout.tensor_name(2, "down" if what == "delta" else what))
    if what in ("gate", "up", "down", "norm", "delta"):
        where = weights if what == "delta" else model
        entry = list_tensors(where)[name]
        flip_a_byte(where / entry.file, read_header(where / entry.file)[1] + entry.begin)
    elif what == "probe":
        flip_a_byte(probe, probe.stat().st_size - 4)
    elif what == "config":
        text = (model / "config.json").read_text()
        (model / "config.json").write_text(text.replace('"gelu_pytorch_tanh"', '"silu"'))
    else:
        shutil.rmtree(weights)
        write_foreign_delta(weights, random_deltas(layout, seed=77))
    error = refusal("sweep", "work", folder, "--task", 2)
    assert error["kind"] == "input-changed", error
    if what in ("gate", "up", "down", "norm"):
        assert error["tensor"] == name
    assert snapshot(folder) == before


# ---- evaluate, materialize, flags ----

EVALUATOR = """
import hashlib, json, pathlib, sys
model = pathlib.Path(sys.argv[1])
print("some words first")
size = sum(f.stat().st_size for f in model.iterdir())
manifest = json.loads((model / "contourfuse.json").read_text())["parameters"]
print(json.dumps({"bytes": size, "alpha": manifest["alpha"], "gamma_cap": manifest["gamma_cap"], "acc,none": 0.25}))
"""


@pytest.mark.parametrize("points,count", [("all", 6), ("best", 1), ("2", 2), ("pareto", None)])
def test_evaluate(tmp_path, base, delta, points, count):
    (tmp_path / "evaluate.py").write_text(EVALUATOR)
    command = f"{sys.executable} {tmp_path / 'evaluate.py'} {{model}}"
    before = snapshot(base)
    document, lines = sweep(
        base, delta, tmp_path / "run", "--probe-tokens", 0, "--budget", "drift=0.6", "--evaluate", command, "--points", points,
        alphas=(0.02, 0.5, 4.0), gammas=(0.05, 0.5),
    )
    evaluated = [line for line in lines if "evaluation" in line]
    assert all(line["layer"] is None for line in evaluated)
    if points == "pareto":
        want = {(p["alpha"], p["gamma_cap"]) for p in document["budget"]["front"]}
        assert {(line["alpha"], line["gamma_cap"]) for line in evaluated} == want and want
    elif points == "best":
        assert [(line["alpha"], line["gamma_cap"]) for line in evaluated] == [(document["budget"]["best"]["alpha"], document["budget"]["best"]["gamma_cap"])]
    else:
        assert len(evaluated) == count
    for line in evaluated:
        got = line["evaluation"]
        assert set(got) == {"bytes", "alpha", "gamma_cap", "acc,none"} and got["acc,none"] == 0.25
        assert (got["alpha"], got["gamma_cap"]) == (line["alpha"], float(np.float32(line["gamma_cap"])))
    with open(tmp_path / "run" / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["evaluation_bytes"] != "" for row in rows) == len(evaluated)
    assert [p for p in document["points"] if "evaluation" in p] == evaluated
    assert snapshot(base) == before
    # The fused folders are gone.
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_point_is_asked_about_once(tmp_path, base, delta):
    asked = tmp_path / "asked"
    (tmp_path / "evaluate.py").write_text(f"open({str(asked)!r}, 'a').write('x'); print('{{\"score\": 1}}')")
    command = f"{sys.executable} {tmp_path / 'evaluate.py'} {{model}}"
    for alphas, more, times in (((0.5, 1.0), "", 2), ((0.5, 1.0), "", 2), ((0.5, 1.0), " --again", 4)):
        words = ("--probe-tokens", 0, "--points", "all", "--evaluate", command + more)
        _, lines = sweep(base, delta, tmp_path / "run", *words, alphas=alphas, gammas=(0.05,))
        assert len(asked.read_text()) == times
        assert [line["evaluation"] for line in lines if line["layer"] is None] == [{"score": 1}] * 2


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('no object')", "print('[1]')", "print('{\"a\": \"text\"}')", "pass"])
def test_an_evaluation_that_fails(tmp_path, base, delta, code):
    (tmp_path / "evaluate.py").write_text(code)
    command = f"{sys.executable} {tmp_path / 'evaluate.py'} {{model}}"
    words = sweep_words(base, delta, alphas=(0.5,), gammas=(0.05,))
    outcome = run("sweep", "run", *words, "--probe-tokens", 0, "--output", tmp_path / "run", "--evaluate", command, "--points", "all", "--json", expect=FAILED)
    assert outcome.document["error"]["message"]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_materialize_is_the_fuse_of_that_point(tmp_path, base, delta):
    settings = Settings(variance_norm="unit", rounding="stochastic", rounding_seed=9)
    sweep(base, delta, tmp_path / "run", "--probe-tokens", 0, "--layers", "1-3", settings=settings, alphas=(0.02, 0.3), gammas=(0.05, 0.7))
    run("sweep", "report", tmp_path / "run", "--materialize", "0.3,0.7", tmp_path / "out", expect=DONE)
    fuse(base, delta, tmp_path / "fused", replace(settings, alpha=0.3, gamma_cap=0.7), "--layers", "1-3")
    assert shard_hashes(tmp_path / "out") == shard_hashes(tmp_path / "fused")
    run("verify", tmp_path / "out", "--base", base, "--weights", delta, "--recompute", expect=DONE)


def test_a_point_off_the_grid_or_in_the_way(tmp_path, base, delta, done):
    run("sweep", "report", done, "--materialize", "-1.5,0.011", tmp_path / "out", expect=DONE)
    fuse(base, delta, tmp_path / "fused", Settings(alpha=-1.5, gamma_cap=0.011))
    assert shard_hashes(tmp_path / "out") == shard_hashes(tmp_path / "fused")
    before = snapshot(tmp_path / "out")
    refusal("sweep", "report", done, "--materialize", "0.3,0.3", tmp_path / "out")
    assert snapshot(tmp_path / "out") == before
    for point in ("0.3", "a,b", "0.3,0.3,0.3", "0.3;0.3", ",", "0.3,-1", "nan,0.1"):
        outcome = run("sweep", "report", done, "--materialize", point, tmp_path / "new")
        assert outcome.code in (USAGE, BAD_INPUT), (point, outcome)
        assert not (tmp_path / "new").exists()


def test_the_run_folder(done):
    assert {p.name for p in done.iterdir()} == {"plan.json", "parts", "results.jsonl", "results.csv", "report.html"}


@pytest.mark.parametrize(
    "words",
    [
        ["--alphas", "x"], ["--alphas", "nan"], ["--alphas", "1e39"], ["--gammas", "-1"], ["--gammas", "lin:1:0:3"], ["--gammas", "log:0:1:3"],
        ["--alphas", "lin:0:1:0"], ["--budget", "cost=1"], ["--budget", "drift=-1"], ["--probe-tokens", "-1"], ["--evaluate", "true", "--points", "some"], ["--no-such-flag"],
        ["--budget", "error_after_norm=0.05", "--probe-tokens", "0"],
    ],
    ids=" ".join,
)
def test_wrong_flags(tmp_path, base, delta, words):
    given = {"--alphas": ["0.5"], "--gammas": ["0.05"], "--probe-tokens": ["2"]}
    flag = None
    for word in words:
        flag = word if word.startswith("--") else flag
        given[flag] = [] if word.startswith("--") else [*given[flag], word]
    flat = [word for flag, values in given.items() for word in (flag, *values)]
    outcome = run("sweep", "run", "--model", base, "--weights", delta, "--output", tmp_path / "run", *flat, expect=USAGE)
    assert outcome.err.startswith("contourfuse: error: ") and outcome.out == ""


def test_ranges_of_values(tmp_path, base, delta):
    words = ["--model", base, "--weights", delta, "--layers", "0", "--probe-tokens", 0, "--output", tmp_path / "run"]
    document = run_json("sweep", "run", *words, "--alphas", "log:0.01:1:3,5", "0.1", "--gammas", "lin:0:1:5")
    alphas = list(dict.fromkeys(p["alpha"] for p in document["points"]))
    gammas = list(dict.fromkeys(p["gamma_cap"] for p in document["points"]))
    assert alphas[:4] == pytest.approx([0.01, 0.1, 1, 5], rel=1e-12) and gammas == [0, 0.25, 0.5, 0.75, 1]
    # log:0.01:1:3 may miss 0.1 by its last bit, and then both are kept.
    assert len(alphas) in (4, 5)


@pytest.mark.parametrize("task", ["6", "-1", "x"])
def test_tasks_that_are_not_there(tmp_path, done, task):
    shutil.copytree(done, tmp_path / "run")
    assert run("sweep", "work", tmp_path / "run", "--task", task).code in (USAGE, BAD_INPUT)


def test_values_that_a_fuse_would_refuse(tmp_path):
    layout = Layout(layers=2, dtype=F16)
    down, gate = layout.tensor_name(0, "down"), layout.tensor_name(1, "gate")

    def huge(tensors):
        tensors[down][3, 5] = 60000

    def not_a_number(tensors):
        tensors[gate][7, 1] = np.nan

    tensors = random_deltas(layout)
    tensors[down][3, 5] = 1.0
    delta = write_foreign_delta(tmp_path / "delta", tensors)
    equal = dict(tensors)
    equal[down] = np.full_like(tensors[down], 0.5)
    flat = write_foreign_delta(tmp_path / "equal", equal)
    for name, edit, weights, tensor, kind in (("huge", huge, delta, down, "non-finite"), ("nan", not_a_number, delta, gate, "non-finite"), ("flat", None, flat, down, "no-spread")):
        base = write_checkpoint(tmp_path / name, layout, edit)
        words = ("sweep", "run", "--model", base, "--weights", weights, "--output", tmp_path / f"run-{name}", "--probe-tokens", 0, "--gammas", 0.05)
        error = refusal(*words, "--alphas", 0.01, 4.0, "--variance-norm", "none" if name == "huge" else "match")
        assert (error["kind"], error["tensor"]) == (kind, tensor)
        # What one of the values is refused for, a fuse with it is refused for too.
        assert refusal("fuse", "--model", base, "--weights", weights, "--output", tmp_path / "out", "--alpha", 4.0, "--variance-norm", "none" if name == "huge" else "match")["kind"] == kind
    # Without the value that goes too far the sweep is made.
    run_json("sweep", "run", "--model", tmp_path / "huge", "--weights", delta, "--output", tmp_path / "run", "--probe-tokens", 0, "--gammas", 0.05, "--alphas", 0.01, "--variance-norm", "none")


PROBES = {
    "missing": lambda rows: {"layers.0.mlp_input": rows},
    "too narrow": lambda rows: {f"layers.{n}.mlp_input": rows[:, :-1].copy() for n in range(6)},
    "a vector": lambda rows: {f"layers.{n}.mlp_input": rows[0].copy() for n in range(6)},
    "no rows": lambda rows: {f"layers.{n}.mlp_input": rows[:0] for n in range(6)},
    "integers": lambda rows: {f"layers.{n}.mlp_input": rows.astype(np.int32) for n in range(6)},
    "not finite": lambda rows: {f"layers.{n}.mlp_input": np.where(rows == rows.max(), np.inf, rows).astype(np.float32) for n in range(6)},
}


@pytest.mark.parametrize("wrong", PROBES)
def test_probes_that_do_not_fit(tmp_path, base, delta, wrong):
    rows = np.random.default_rng(1).standard_normal((3, 40)).astype(np.float32)
    save_file(PROBES[wrong](rows), tmp_path / "probe.safetensors")
    words = ("sweep", "run", *sweep_words(base, delta), "--output", tmp_path / "run")
    error = refusal(*words, "--probe", tmp_path / "probe.safetensors")
    assert error["kind"].startswith("probe-"), error
    (tmp_path / "none.safetensors").write_bytes(b"no header")
    assert run(*words, "--probe", tmp_path / "none.safetensors").code == BAD_INPUT
    assert run(*words, "--probe", tmp_path / "absent.safetensors").code in (BAD_INPUT, FAILED)
