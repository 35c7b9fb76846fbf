"""Running sweeps, and what a run leaves."""

import json
from dataclasses import replace

import numpy as np

from oracle.exact import BF16
from oracle.numerics import Settings

from .checkpoints import random_deltas, write_checkpoint
from .program import run_json

ALPHAS, GAMMAS = (-0.5, 0.0, 0.02, 0.3, 8.0), (0.0, 0.004, 0.3, 100.0)
EPSILON = 1e-5


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


def partial_deltas(layout):
    """Rows, columns and whole roles missing."""
    tensors = random_deltas(layout, BF16)
    cut = lambda name, rows, cols: tensors.update({name: np.ascontiguousarray(tensors[name][:rows, :cols])})
    cut(layout.tensor_name(0, "gate"), 91, None)
    cut(layout.tensor_name(0, "down"), None, 33)
    cut(layout.tensor_name(1, "down"), 7, 5)
    del tensors[layout.tensor_name(1, "gate")], tensors[layout.tensor_name(2, "down")]
    return tensors


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


def plan(base, delta, folder, *more, **axes):
    return run_json("sweep", "plan", *sweep_words(base, delta, **axes), "--probe-tokens", 3, "--output", folder, *more)


def work(folder, *words, **options):
    return run_json("sweep", "work", folder, *words, **options)


def read_lines(folder):
    with open(folder / "results.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def results(folder):
    return {name: (folder / name).read_bytes() for name in ("results.jsonl", "results.csv")}


def parts(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "parts").iterdir())}
