"""A sweep by brute force: every point fused by the program and measured in numpy."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from oracle.exact import widen
from oracle.fuse import load_delta
from oracle.sweep import edited_before_rounding, matrix_counts, matrix_sums, mlp, output_metrics, output_sums, pooled, seeded_probe
from oracle.tensors import list_tensors, read_tensor

from .comparison import fuse
from .sweeping import ALPHAS, EPSILON, GAMMAS

COUNTS = ("covered", "moved", "changed", "lost", "sign_flips")
ROLES = {"gate": {*COUNTS, "clamped", "drift", "mean_shift"}, "down": {*COUNTS, "drift", "mean_shift"}}
# A sum of K ≤ 130 f32 products is off by √K·2⁻²⁴ < 10⁻⁶ of its size or so, and h(γ) − h(0) by that much of h,
# however small the difference: relative where an edit is felt, absolute (against ‖Y‖) below.
OUTPUT_REL, OUTPUT_ABS = 1e-5, 16 * 2.0**-24


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
