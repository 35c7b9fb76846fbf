#!/usr/bin/env python3
"""How well the cheap numbers of a sweep rank the true damage of an edit.

Sweeps a checkpoint with `contourfuse sweep run`, fuses every value of both axes, runs the edited
model on held-out text with transformers, and gives for each number of results.jsonl its Spearman
rank correlation with the KL divergence from the unedited model and with the change of loss. Writes
study.json and study.md to --output, with the folders of the sweeps, and prints study.md.

Needs the Python environment of `tools/setup.sh --hf`. On examples/tiny-gemma4 it takes minutes:

  build/venv/bin/python tools/sweep_study.py --output study
"""

import argparse
import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

import capture_probe

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "tiny-gemma4"
EDITED = re.compile(r"(?:^|\.)layers\.(\d+)\.mlp\.(gate|down)_proj\.weight$")
PROBES = ("seeded", "captured", "exact")
SMALL_KL = 0.1
LIMITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
HEADS = {"kl": "KL", "loss_change": "change of loss", "kl_small": f"KL ≤ {SMALL_KL}"}


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for study.json, study.md and the sweeps; must not exist")
    add("--model", type=Path, default=EXAMPLE, help="checkpoint that AutoModelForCausalLM loads (default: examples/tiny-gemma4)")
    add("--weights", type=Path, help="delta; without it one is generated with seed 42")
    add("--text", type=Path, help="UTF-8 text that the model did not learn (default: validation.txt of the model)")
    add("--rows", type=int, default=16, help="rows of text that are run (default 16)")
    add("--row-tokens", type=int, default=200, help="tokens of a row (default 200)")
    add("--batch", type=int, default=16, help="rows that are run at once (default 16)")
    add("--dtype", default="float32", help="type that the model runs in (default float32)")
    add("--alphas", type=float, nargs="+", default=[0, 0.02, 0.1, 0.5, 1, 2, 4, 8, 16, 32, 64])
    add("--gammas", type=float, nargs="+", default=[0, 0.01, 0.05, 0.1, 0.5, 1, 5, 25])
    add("--norms", nargs="+", choices=["match", "unit", "none"], default=["match", "unit", "none"])
    add("--probes", nargs="+", choices=PROBES, default=list(PROBES), help="seeded and captured rows; exact: seeded rows and stored weights (default: all)")
    add("--probe-tokens", type=int, default=256, help="rows of probes (default 256)")
    add("--contourfuse", type=Path, default=os.environ.get("CONTOURFUSE", ROOT / "build/release/bin/contourfuse"), help="the program")
    options = parser.parse_args(words)
    options.text = options.text or options.model / "validation.txt"
    return options


def contourfuse(options, *words):
    """One run of the program with --json; gives its document."""
    command = [str(options.contourfuse), *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"sweep_study: {' '.join(command)}\nended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


# ---- the truth: the edited model on text ----


class Truth:
    """The model, loaded once, whose edited weights are exchanged in place."""

    def __init__(self, options):
        self.model = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).eval()
        self.weights = {}
        for name, parameter in self.model.named_parameters():
            found = EDITED.search(name)
            if found and "tower" not in name:
                self.weights[f"{found[1]}.{found[2]}"] = parameter
        text = options.text.read_text(encoding="utf-8")
        tokens = AutoTokenizer.from_pretrained(options.model)(text, add_special_tokens=False)["input_ids"]
        wanted = options.rows * options.row_tokens
        if len(tokens) < wanted:
            sys.exit(f"sweep_study: the text has {len(tokens)} tokens, {wanted} are needed (--rows, --row-tokens)")
        self.rows = torch.tensor(tokens[:wanted]).reshape(options.rows, options.row_tokens)
        self.batch = options.batch
        self.base = list(self.log_probabilities())
        self.loss = self.mean_loss(self.base)

    def log_probabilities(self):
        """Of the next token, for each batch: [tokens, vocabulary]."""
        with torch.no_grad():
            for rows in self.rows.split(self.batch):
                logits = self.model(input_ids=rows[:, :-1]).logits.float()
                yield torch.log_softmax(logits.reshape(-1, logits.shape[-1]), dim=-1)

    def mean_loss(self, batches):
        """Nats a token."""
        targets = self.rows[:, 1:].split(self.batch)
        losses = [-own.gather(1, t.reshape(-1, 1)).double() for own, t in zip(batches, targets)]
        return float(torch.cat(losses).mean())

    def put(self, tensors):
        """Sets weights by "layer.role"."""
        with torch.no_grad():
            for key, tensor in tensors.items():
                self.weights[key].copy_(tensor)

    def measure(self):
        """(loss, KL divergence of the edited from the unedited model), nats a token."""
        edited = list(self.log_probabilities())
        divergences = [(b.double().exp() * (b.double() - e.double())).sum(-1) for b, e in zip(self.base, edited)]
        return self.mean_loss(edited), float(torch.cat(divergences).mean())


def edited_tensors(folder, document, role):
    """"layer.role" -> tensor of a fused checkpoint."""
    found = {}
    for matrix in document["matrices"]:
        if matrix["role"] == role:
            with safe_open(folder / matrix["shard"], "pt") as shard:
                found[f"{matrix['layer']}.{role}"] = shard.get_tensor(matrix["name"])
    return found


def digest(tensors):
    """Of the stored bits: equal edits are measured once."""
    hasher = hashlib.blake2b()
    for key in sorted(tensors):
        hasher.update(key.encode() + tensors[key].contiguous().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def fuse_axes(options, weights, norm, scratch):
    """Every value of both axes, fused by the program: ({alpha: file}, {gamma: file}) of edited tensors.

    Alpha changes down_proj alone and gamma gate_proj alone, so one fuse serves a value of each.
    """
    alphas, gammas = options.alphas, options.gammas
    files = {"down": {}, "gate": {}}
    for k in range(max(len(alphas), len(gammas))):
        alpha, gamma = alphas[min(k, len(alphas) - 1)], gammas[min(k, len(gammas) - 1)]
        folder = scratch / "fused"
        document = contourfuse(
            options, "fuse", "--model", options.model, "--weights", weights, "--output", folder, "--overwrite",
            "--alpha", repr(alpha), "--gamma-cap", repr(gamma), "--variance-norm", norm, "--durability", "none",
        )
        for role, value in (("down", alpha), ("gate", gamma)):
            if value not in files[role]:
                files[role][value] = scratch / f"{norm}-{role}-{k}.safetensors"
                save_file(edited_tensors(folder, document, role), files[role][value])
    return files["down"], files["gate"]


def true_damage(options, truth, weights, norm, scratch, measured):
    """{(alpha, gamma): (loss, kl)}; `measured` remembers edits by their bits."""
    downs, gates = fuse_axes(options, weights, norm, scratch)
    found = {}
    for gamma, gate_file in gates.items():
        gate = load_file(gate_file)
        truth.put(gate)
        gate_bits = digest(gate)
        for alpha, down_file in downs.items():
            down = load_file(down_file)
            bits = gate_bits, digest(down)
            if bits not in measured:
                truth.put(down)
                measured[bits] = truth.measure()
            found[alpha, gamma] = measured[bits]
    return found


# ---- the cheap numbers: a sweep ----


def cheap_numbers(total):
    """What is compared with the truth, from a totals line of results.jsonl."""
    gate, down, output = total["gate"], total["down"], total["output"]
    share = lambda field, of: sum(r[field] for r in (gate, down)) / max(1, sum(r[of] for r in (gate, down)))
    return {
        "error_after_norm": output["error_after_norm"],
        "output error": output["error"],
        "1 − cosine": None if output["cosine"] is None else 1 - output["cosine"],
        "size of the output's mean shift": None if output["mean_shift"] is None else abs(output["mean_shift"]),
        "pooled drift": math.hypot(gate["drift"] or 0, down["drift"] or 0),
        "gate drift": gate["drift"],
        "down drift": down["drift"],
        "changed share": share("changed", "covered"),
        "lost share": share("lost", "moved"),
        "clamped share": gate["clamped"] / max(1, gate["covered"]),
        "sign flips": gate["sign_flips"] + down["sign_flips"],
    }


def sweep(options, weights, norm, probes, captured):
    """{(alpha, gamma): cheap numbers} of one sweep, and its seconds."""
    run = options.output / f"sweep-{norm}-{probes}"
    words = ["--probe", captured] if probes == "captured" else ["--probe-tokens", options.probe_tokens]
    words += ["--exact"] if probes == "exact" else []
    document = contourfuse(
        options, "sweep", "run", "--model", options.model, "--weights", weights, "--output", run, "--variance-norm", norm,
        "--alphas", *map(repr, options.alphas), "--gammas", *map(repr, options.gammas), *words,
    )
    with open(run / "results.jsonl", encoding="utf-8") as lines:
        totals = [line for line in map(json.loads, lines) if line["layer"] is None]
    return {(line["alpha"], line["gamma_cap"]): cheap_numbers(line) for line in totals}, document["seconds"]


def captured_probe(options, truth, scratch):
    """A file of what the MLPs are given while the unedited model reads the first rows of the text."""
    probe = scratch / "probe.safetensors"
    rows = capture_probe.capture(truth.model, truth.rows.flatten()[: options.probe_tokens], options.row_tokens)
    save_file({f"layers.{layer}.mlp_input": inputs.contiguous() for layer, inputs in rows.items()}, probe)
    return probe


# ---- ranks and tables ----


def ranks(values):
    """1 for the smallest; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(a, b):
    """Rank correlation of the pairs of which both are there; null where one side is constant."""
    pairs = [(x, y) for x, y in zip(a, b) if x is not None and y is not None]
    if len(pairs) < 3:
        return None
    x, y = (ranks(side) for side in zip(*pairs))
    return None if np.ptp(x) == 0 or np.ptp(y) == 0 else float(np.corrcoef(x, y)[0, 1])


def power_law(x, y):
    """(c, p) of the least-squares y = c·x^p over positive pairs."""
    pairs = [(math.log(u), math.log(v)) for u, v in zip(x, y) if u and v and u > 0 and v > 1e-12]
    if len(pairs) < 3:
        return None
    p, log_c = np.polyfit(*map(np.array, zip(*pairs)), 1)
    return float(math.exp(log_c)), float(p)


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def figure(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}"


def grid_table(options, values, digits):
    """Alpha down, gamma across."""
    head = ["α \\ γ", *(f"{g:g}" for g in options.gammas)]
    return markdown_table(head, [[f"{a:g}", *(figure(values[a, g], digits) for g in options.gammas)] for a in options.alphas])


def correlations(points, probes):
    """number -> its Spearman correlations over all points, those with small damage, and each norm's."""
    groups = {
        "kl": (points, "kl"),
        "loss_change": (points, "loss_change"),
        "kl_small": ([p for p in points if p["kl"] <= SMALL_KL], "kl"),
    } | {f"kl_{norm}": ([p for p in points if p["norm"] == norm], "kl") for norm in dict.fromkeys(p["norm"] for p in points)}
    names = points[0]["cheap"][probes]
    return {name: {key: spearman([p["cheap"][probes][name] for p in some], [p[truth] for p in some]) for key, (some, truth) in groups.items()} for name in names}


def promises(points, probes, number):
    """What keeping a number within a limit has kept: points inside, and the worst of them."""
    found = []
    for limit in LIMITS:
        inside = [p for p in points if p["cheap"][probes][number] is not None and p["cheap"][probes][number] <= limit]
        if inside:
            found.append({"limit": limit, "points": len(inside), "kl": max(p["kl"] for p in inside), "loss_change": max(p["loss_change"] for p in inside)})
    return found


def study_text(options, study):
    """study.json as Markdown."""
    points = study["points"]
    parts = [
        f"{study['model']}: {study['tokens']:,} predicted tokens of {study['text']}, loss {study['loss']:.4f} nats a token; "
        f"{len(points)} points, {study['different']} different edits; {study['seconds']:.0f} s, of which the sweeps {study['sweep_seconds']:.1f} s."
    ]
    first = options.probes[0]
    for norm in options.norms:
        own = {(p["alpha"], p["gamma_cap"]): p for p in points if p["norm"] == norm}
        parts.append(f"Change of the loss, nats a token, `--variance-norm {norm}`:\n\n" + grid_table(options, {k: p["loss_change"] for k, p in own.items()}, 4))
        parts.append(f"error_after_norm of the same points, {first}:\n\n" + grid_table(options, {k: p["cheap"][first]["error_after_norm"] for k, p in own.items()}, 4))
    for probes in options.probes:
        table = study["spearman"][probes]
        keys = list(next(iter(table.values())))
        head = ["number", *(HEADS.get(key, key.replace("kl_", "KL, ")) for key in keys)]
        rows = [[name, *(figure(values[key]) for key in keys)] for name, values in sorted(table.items(), key=lambda item: -abs(item[1]["kl"] or 0))]
        parts.append(f"Spearman rank correlation, {probes}:\n\n" + markdown_table(head, rows))
        law = study["power_law"][probes]
        if law:
            parts.append(f"KL ≈ {law[0]:.2g} · error_after_norm^{law[1]:.2f} by least squares of the logarithms.")
        rows = [[f"{r['limit']:g}", r["points"], f"{r['kl']:.2g}", f"{r['loss_change']:+.4f}"] for r in study["promises"][probes]]
        parts.append(f"Points whose error_after_norm is within a limit, {probes}:\n\n" + markdown_table(["limit", "points", "largest KL", "largest change of loss"], rows))
    return "\n\n".join(parts) + "\n"


def main(words=None):
    options = arguments(words)
    transformers_logging.disable_progress_bar()
    begin = time.monotonic()
    options.output.mkdir(parents=True)
    truth = Truth(options)
    points, measured, sweep_seconds = [], {}, 0.0
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        weights = options.weights
        if weights is None:
            weights = scratch / "delta"
            contourfuse(options, "generate", "--base-model", options.model, "--output-dir", weights, "--seed", 42)
        captured = captured_probe(options, truth, scratch) if "captured" in options.probes else None
        for norm in options.norms:
            cheap = {}
            for probes in options.probes:
                cheap[probes], seconds = sweep(options, weights, norm, probes, captured)
                sweep_seconds += seconds
            for (alpha, gamma), (loss, kl) in true_damage(options, truth, weights, norm, scratch, measured).items():
                numbers = {probes: of_points[alpha, gamma] for probes, of_points in cheap.items()}
                points.append({"norm": norm, "alpha": alpha, "gamma_cap": gamma, "loss": loss, "loss_change": loss - truth.loss, "kl": kl, "cheap": numbers})
    study = {
        "schema": "contourfuse.study/1",
        "model": options.model.name,
        "text": options.text.name,
        "tokens": truth.rows[:, 1:].numel(),
        "loss": truth.loss,
        "different": len(measured),
        "sweep_seconds": sweep_seconds,
        "spearman": {probes: correlations(points, probes) for probes in options.probes},
        "power_law": {probes: power_law([p["cheap"][probes]["error_after_norm"] for p in points], [p["kl"] for p in points]) for probes in options.probes},
        "promises": {probes: promises(points, probes, "error_after_norm") for probes in options.probes},
        "points": points,
        "seconds": time.monotonic() - begin,
    }
    (options.output / "study.json").write_text(json.dumps(study, indent=1), encoding="utf-8")
    text = study_text(options, study)
    (options.output / "study.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
