#!/usr/bin/env python3
"""Writes seeds/: small well-formed inputs for every fuzz target, made by the tools that make such
files for users: the program itself, and the safetensors library.

Usage: CONTOURFUSE=build/release/bin/contourfuse build/venv/bin/python tests/fuzz/make_seeds.py
Run it again after a change of a format, and look at what git shows.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import numpy as np
import safetensors
from safetensors.numpy import save

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
PROGRAM = pathlib.Path(os.environ.get("CONTOURFUSE", ROOT / "build/release/bin/contourfuse")).resolve()
MODELS = ("31b", "26b-a4b", "e4b", "e2b", "12b", "llama")


def run(*words):
    subprocess.run([PROGRAM, *map(str, words), "--quiet"], check=True)


def put(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def raw(tensors, metadata=None):
    """Zeros, by the library's own writer, which knows types that numpy lacks: name -> (dtype,
    shape, bytes)."""
    buffers = {name: np.zeros(size, np.uint8) for name, (_, _, size) in tensors.items()}
    specs = {name: safetensors.TensorSpec(dtype=dtype, shape=shape, data_len=size,
                                          data_ptr=buffers[name].ctypes.data)
             for name, (dtype, shape, size) in tensors.items()}
    return safetensors.serialize(specs, metadata)


def names_of(header):
    return [name for name in header if name != "__metadata__"]


def header_of(file):
    with open(file, "rb") as opened:
        return json.loads(opened.read(int.from_bytes(opened.read(8), "little")))


def make_containers():
    rng = np.random.default_rng(1)
    put("safetensors", "numpy.safetensors", save(
        {"a": rng.standard_normal((2, 3)).astype(np.float32), "b": np.arange(4, dtype=np.int64),
         "c": np.float16([1, 2]), "d": np.array([True, False])}, {"format": "pt", "ключ": "значение"}))
    put("safetensors", "scalar-and-empty.safetensors",
        save({"scalar": np.array(1.0), "empty": np.zeros((0, 7), np.uint8)}))
    put("safetensors", "nothing.safetensors", save({}))
    put("safetensors", "bfloat16.safetensors", raw(
        {"model.layers.0.mlp.gate_proj.weight": ("bfloat16", (3, 2), 12),
         "model.layers.0.mlp.down_proj.weight": ("bfloat16", (2, 3), 12)}, {"format": "pt"}))
    put("safetensors", "small-types.safetensors", raw(
        {"a": ("float8_e4m3fn", (5,), 5), "b": ("float8_e5m2", (1,), 1), "c": ("uint16", (1,), 2),
         "d": ("float4_e2m1fn_x2", (2,), 2)}))
    put("probe", "two-layers.safetensors", save(
        {f"layers.{layer}.mlp_input": rng.standard_normal((2, 4)).astype(np.float32)
         for layer in (0, 1)}))
    put("probe", "halves.safetensors",
        save({"layers.0.mlp_input": rng.standard_normal((3, 2)).astype(np.float16)}))
    put("probe", "bfloat16.safetensors", raw({"layers.1.mlp_input": ("bfloat16", (1, 4), 8)}))


def make_models(work):
    names = []
    for model in MODELS:
        folder = work / model
        run("synth", "--like", model, "--scale", "1/64", "--layers", 6, "--max-shard-size", "200KB",
            "--output", folder)
        put("config", f"{model}.json", (folder / "config.json").read_bytes())
        for shard in sorted(folder.glob("*.safetensors")):
            names += names_of(header_of(shard))
    put("architecture", "synthetic.txt", "\n".join(sorted(set(names))[:60]) + "\n")
    put("architecture", "experts.txt", "".join(
        f"model.layers.{layer}.{leaf}\n" for layer in (0, 17) for leaf in (
            "mlp.experts.3.gate_proj.weight", "block_sparse_moe.experts.0.w1.weight",
            "block_sparse_moe.experts.0.w2.weight", "mlp.gate_up_proj.weight",
            "experts.gate_up_proj", "mlp.experts.down_proj", "mlp.down_proj.weight")))
    put("config", "example.json", (ROOT / "examples/tiny-gemma4/config.json").read_bytes())

    index = json.loads((work / "llama" / "model.safetensors.index.json").read_bytes())
    index["weight_map"] = dict(list(index["weight_map"].items())[:12])
    put("shard_index", "llama.json", json.dumps(index, indent=2))
    put("shard_index", "one.json",
        json.dumps({"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}))


def make_neurons(work):
    documented = re.search(r"```json\n(.*?)```", (ROOT / "docs/neurons.md").read_text(), re.DOTALL)
    put("families", "documented.json", documented[1])
    put("families", "each.json", json.dumps({"schema": "contourfuse.families/1", "sources": [
        {"family": "linear"}, {"family": "softthreshold", "parameters": [0.5]},
        {"family": "leaky_clip", "parameters": [1, 0.25]},
        {"family": "deadzone_clip", "parameters": [0.5, 1.5]}]}))
    put("families", "even.json", json.dumps({"schema": "contourfuse.families/1", "sources": [
        {"name": "n", "knots": [-1, 0.5], "slopes": [0, 1, 2], "value_at_zero": 0.25}]}))
    for gains in (4, 8):
        run("neurons", "--activation", "silu", "--gains-per-cell", gains, "--output",
            work / f"{gains}.safetensors")
        put("bank", f"{gains}-gains.safetensors", (work / f"{gains}.safetensors").read_bytes())
    spec = work / "one.json"
    spec.write_text(json.dumps({"schema": "contourfuse.families/1", "sources": [
        {"family": "linear", "kind": "global"}, {"family": "hardtanh", "parameters": [2]}]}))
    run("neurons", "--spec", spec, "--gains-per-cell", 4, "--output", work / "small.safetensors")
    put("bank", "small.safetensors", (work / "small.safetensors").read_bytes())

    run("generate", "--base-model", work / "e2b", "--output-dir", work / "delta", "--recipe-only")
    put("recipe", "default-bank.json", (work / "delta" / "delta.json").read_bytes())
    run("generate", "--base-model", work / "e2b", "--output-dir", work / "small", "--layers", 4,
        "--bank", work / "small.safetensors", "--gate-scale", 2, "--no-balance")
    put("recipe", "stored.json", (work / "small" / "delta.json").read_bytes())


def make_sweeps(work):
    def plan(name, *more):
        folder = work / name
        run("sweep", "plan", "--model", work / "e2b", "--weights", work / "delta", "--output",
            folder, "--alphas", 0, 0.5, 1, "--gammas", 0.25, 1, "--layers", "0-1",
            "--layers-per-task", 2, *more)
        text = (folder / "plan.json").read_text()
        put("sweep_plan", f"{name}.json", text.replace(f"{work}/", ""))
        run("sweep", "work", folder, "--task", 0)
        part = (folder / "parts" / "0.json").read_text()
        part = re.sub(r'"plan":"[0-9a-f]{32}"', '"plan":"PLAN"', part)
        put("sweep_part", f"{name}.json", re.sub(r',"xxh3_128":"[0-9a-f]{32}"}\n$', "}", part))

    plan("probed", "--probe-tokens", 2, "--budget", "output_error=0.25")
    plan("weights-only", "--probe-tokens", 0)
    text = json.loads((SEEDS / "sweep_plan" / "weights-only.json").read_text())
    text["contents"] = {}
    text["files"] = [{"path": "/m/config.json", "bytes": 9, "inode": 7, "modified_ns": 1763000000000000000}]
    put("sweep_plan", "files.json", json.dumps(text))


def same_everywhere(data, work):
    """Without what differs from run to run: of one length, as a header's length is in it."""
    data = data.replace(str(work).encode(), b"/" + b"w" * (len(str(work)) - 1))
    return re.sub(rb'(inode|modified_ns)(\\*":)(\d+)',
                  lambda match: match[1] + match[2] + b"1" * len(match[3]), data)


def make_runs(work):
    model, delta = work / "m", work / "d"
    run("synth", "--like", "llama", "--scale", "1/256", "--layers", 6, "--max-shard-size", "30KB",
        "--output", model)
    run("generate", "--base-model", model, "--output-dir", delta, "--layers", "0-4")

    output = work / "o"
    fuse = subprocess.Popen([PROGRAM, "fuse", "--model", model, "--weights", delta, "--output",
                             output, "--quiet", "--limit-rate", "20KB"])
    lines = []
    while fuse.poll() is None and len(lines) < 3:
        time.sleep(0.01)
        for journal in work.glob("o.partial-*/contourfuse.journal"):
            lines = journal.read_bytes().splitlines()
    fuse.kill()
    fuse.wait()
    assert len(lines) == 3, "the fuse was done before it could be stopped"
    # Without the hash before each line.
    put("journal", "two-shards.txt",
        same_everywhere(b"".join(line[33:] + b"\n" for line in lines), work))

    run("generate", "--base-model", model, "--output-dir", work / "one", "--layers", 4)
    undo = work / "m.undo"
    run("fuse", "--model", model, "--weights", work / "one", "--in-place", "--undo", undo)
    put("undo_file", "one-layer.safetensors", same_everywhere(undo.read_bytes(), work))


if __name__ == "__main__":
    shutil.rmtree(SEEDS, ignore_errors=True)
    make_containers()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder).resolve()
        make_models(work)
        make_neurons(work)
        make_sweeps(work)
        make_runs(work)
    for target in sorted(SEEDS.iterdir()):
        files = list(target.iterdir())
        print(f"{target.name}: {len(files)} files, {sum(f.stat().st_size for f in files)} bytes")
