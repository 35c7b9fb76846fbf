#!/usr/bin/env python3
"""Shape-Contoured Fusion as one would write it with torch and safetensors: what fuse_vs_torch.py
compares `contourfuse fuse` with. Threads are torch's default; whole shards are held in memory."""

import argparse
import json
import os
import pathlib
import shutil

from safetensors import safe_open
from safetensors.torch import load_file, save_file


def delta_files(folder):
    index = json.loads((folder / "delta.safetensors.index.json").read_text(encoding="utf-8"))
    return {name: folder / file for name, file in index["weight_map"].items()}


def fused(name, weight, delta, alpha, gamma):
    if name.endswith("down_proj.weight"):
        w, d = weight.float(), delta.float()
        return (w + (alpha * w.std(correction=0) / d.std(correction=0)) * d * w).bfloat16()
    if name.endswith("gate_proj.weight"):
        return (weight.float() * (1 + delta.float().clamp(-gamma, gamma))).bfloat16()
    return weight


def fuse(model, weights, output, alpha, gamma):
    output.mkdir()
    files = delta_files(weights)
    for path in sorted(model.iterdir()):
        if path.suffix != ".safetensors":
            shutil.copyfile(path, output / path.name)
            continue
        tensors = load_file(path)
        for name in tensors:
            if name in files and not name.endswith("up_proj.weight"):
                with safe_open(files[name], framework="pt") as delta:
                    tensors[name] = fused(name, tensors[name], delta.get_tensor(name), alpha, gamma)
        save_file(tensors, output / path.name, metadata={"format": "pt"})


def sync(folder):
    for path in [*folder.iterdir(), folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in "--model", "--weights", "--output":
        parser.add_argument(flag, type=pathlib.Path, required=True)
    parser.add_argument("--alpha", type=float, default=0.02)
    parser.add_argument("--gamma-cap", type=float, default=0.05)
    parser.add_argument("--sync", action="store_true", help="end with everything on disk")
    chosen = parser.parse_args()
    fuse(chosen.model, chosen.weights, chosen.output, chosen.alpha, chosen.gamma_cap)
    if chosen.sync:
        sync(chosen.output)


if __name__ == "__main__":
    main()
