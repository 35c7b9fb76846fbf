"""What is derived from the points of a sweep: budgets, tables, evaluations and the point that is made."""

import csv
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from oracle.numerics import Settings
from oracle.sweep import budget_best, budget_front

from .checkpoints import Layout, random_deltas, write_foreign_delta
from .comparison import fuse, shard_hashes
from .program import BAD_INPUT, DONE, FAILED, USAGE, refusal, run, run_json, snapshot
from .sweeping import ALPHAS, GAMMAS, checkpoint, partial_deltas, sweep, sweep_words


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
