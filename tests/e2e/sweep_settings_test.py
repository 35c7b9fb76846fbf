"""The flags, values and probes that a sweep takes and those it refuses."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from oracle.exact import F16

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .program import BAD_INPUT, FAILED, USAGE, refusal, run, run_json
from .sweeping import sweep_words


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
