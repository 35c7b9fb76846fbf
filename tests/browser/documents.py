"""Made-up sweeps for the page, and a page of one as the program writes it."""

import json
import math
import os
from pathlib import Path

GATE = ("covered", "moved", "drift", "changed", "lost", "clamped", "sign_flips", "mean_shift")
DOWN = tuple(field for field in GATE if field != "clamped")
OUTPUT = ("error", "cosine", "mean_shift", "error_after_norm")


def spaced(low, high, count):
    return [low * (high / low) ** (i / (count - 1)) for i in range(count)]


def gate(n, gammas, strength):
    clamped = [round(n * math.exp(-gamma / strength)) for gamma in gammas]
    return {
        "covered": n,
        "moved": [n - 7 if gamma else 0 for gamma in gammas],
        "drift": [0.4 * strength * (1 - math.exp(-gamma / strength)) for gamma in gammas],
        "changed": [round(0.9 * n * gamma / (gamma + 0.002)) for gamma in gammas],
        "lost": [round(0.9 * n * 0.002 / (gamma + 0.002)) if gamma else 0 for gamma in gammas],
        "clamped": clamped,
        "sign_flips": [0 for _ in gammas],
        "mean_shift": [-1e-7 * gamma for gamma in gammas],
    }


def down(n, alphas, strength):
    return {
        "covered": n,
        "moved": [n - 3 if alpha else 0 for alpha in alphas],
        "drift": [strength * abs(alpha) for alpha in alphas],
        "changed": [round(0.95 * n * abs(alpha) / (abs(alpha) + 0.01)) for alpha in alphas],
        "lost": [round(0.95 * n * 0.01 / (abs(alpha) + 0.01)) if alpha else 0 for alpha in alphas],
        "sign_flips": [round(n * max(0, abs(alpha) - 1) / 90) for alpha in alphas],
        "mean_shift": [3e-8 * alpha for alpha in alphas],
    }


def output(alphas, gammas, strength):
    errors = [math.hypot(strength * alpha, 0.7 * strength * math.sqrt(gamma)) for gamma in gammas for alpha in alphas]
    return {
        "error": [1.3 * x for x in errors],
        "cosine": [1 / math.sqrt(1 + x * x) for x in errors],
        "mean_shift": [1e-5 * x for x in errors],
        "error_after_norm": errors,
    }


def layer(number, kind, alphas, gammas, strength, n=1_572_864):
    return {
        "layer": number,
        "kind": kind,
        "gate": gate(n, gammas, strength),
        "down": down(n, alphas, strength),
        "output": output(alphas, gammas, strength),
    }


def document(alphas, gammas, count=6):
    """A sweep of `count` layers of which each sixth is global."""
    strengths = [0.25 + 0.05 * math.sin(1.7 * i) + (0.12 if i % 6 == 5 else 0) for i in range(count)]
    layers = [
        layer(i, "global" if i % 6 == 5 else "sliding", alphas, gammas, strength)
        for i, strength in enumerate(strengths)
    ]
    total = layer(None, None, alphas, gammas, 0.27, 1_572_864 * count)
    made = {
        "schema": "contourfuse.sweep/1",
        "version": "0.1.0",
        "model": "models/gemma-4-31b",
        "weights": "deltas/derivative neurons",
        "parameters": {"variance_norm": "match", "rounding": "nearest", "exact": False, "probe": "seeded", "probe_tokens": 256, "probe_seed": 0},
        "alphas": alphas,
        "gammas": gammas,
        "gamma_saturates_at": 0.62,
        "layers": [*layers, total],
        "evaluations": [],
        "command": ["contourfuse", "fuse", "--model", "models/gemma-4-31b", "--weights", "deltas/derivative neurons", "--output", "fused"],
    }
    return with_budget(made, 0.05)


def with_budget(made, limit):
    """The front and the best point, by trying every pair."""
    values = made["layers"][-1]["output"]["error_after_norm"]
    alphas, gammas = made["alphas"], made["gammas"]
    inside = [
        {"alpha": alpha, "gamma_cap": gamma, "value": values[g * len(alphas) + a]}
        for g, gamma in enumerate(gammas)
        for a, alpha in enumerate(alphas)
        if values[g * len(alphas) + a] <= limit
    ]
    front = [
        p for p in inside
        if not any(q is not p and abs(q["alpha"]) >= abs(p["alpha"]) and q["gamma_cap"] >= p["gamma_cap"] for q in inside)
    ]
    front.sort(key=lambda p: -p["gamma_cap"])
    best = max(front, key=lambda p: (abs(p["alpha"]) * p["gamma_cap"], p["gamma_cap"]), default=None)
    made["budget"] = {"metric": "error_after_norm", "limit": limit, "front": front, "best": best}
    return made


def write_page(made, path):
    """As sweep_page() puts the document into the page that the build assembled."""
    build = os.environ.get("CONTOURFUSE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build" / "release")
    page = Path(build, "src", "report", "sweep_page.html").read_text(encoding="utf-8")
    before, after = page.split("@document@")
    path.write_text(before + json.dumps(made).replace("<", "\\u003c") + after, encoding="utf-8")
    return path


def lines(made):
    """The document as lines of results.jsonl."""
    alphas, gammas = made["alphas"], made["gammas"]

    def at(numbers, place):
        return numbers and {k: v[place] if isinstance(v, list) else v for k, v in numbers.items()}

    return [
        {"alpha": alpha, "gamma_cap": gamma, "layer": it["layer"], "gate": at(it["gate"], g), "down": at(it["down"], a), "output": at(it["output"], g * len(alphas) + a)}
        for g, gamma in enumerate(gammas)
        for a, alpha in enumerate(alphas)
        for it in made["layers"]
    ]
