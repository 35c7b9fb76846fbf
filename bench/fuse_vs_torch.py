#!/usr/bin/env python3
"""How many times faster a fuse is than the plain torch and safetensors script, start-up included.

Both do the same work on the same files, with and without waiting for the disk. See README.md.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import comparing

SCRIPT = pathlib.Path(__file__).with_name("torch_applyweights.py")
ALPHA, GAMMA = "0.5", "0.25"


def arguments():
    parser = comparing.parser_of(__doc__, rounds=3)
    parser.add_argument("--python", default=str(comparing.ROOT / "build/venv/bin/python"),
                        help="one with torch and safetensors (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=2, help="seconds of rest before each (default: %(default)s)")
    return comparing.parse(parser)


def differing_share(torch_output, our_output):
    """Of all 2-byte words of the shards: both round the same numbers, torch in another order."""
    import numpy

    differing, words = 0, 0
    for path in sorted(our_output.glob("*.safetensors")):
        with path.open("rb") as ours, (torch_output / path.name).open("rb") as theirs:
            for file in ours, theirs:
                file.seek(8 + int.from_bytes(file.read(8), "little"))
            while block := ours.read(1 << 24):
                mine, other = (numpy.frombuffer(b, numpy.uint16) for b in (block, theirs.read(len(block))))
                differing += int((mine != other).sum())
                words += len(mine)
    return differing / words


def measure(chosen):
    base, delta = comparing.checkpoints(chosen)
    theirs, ours = chosen.folder / "by-torch", chosen.folder / "by-contourfuse"
    common = ["--model", base, "--weights", delta, "--alpha", ALPHA, "--gamma-cap", GAMMA]
    torch = [chosen.python, SCRIPT, *common, "--output", theirs]
    fuse = [chosen.programs / "contourfuse", "fuse", *common, "--output", ours, "--quiet", "--no-model-card"]
    ways = {"none": (torch, [*fuse, "--durability", "none"]), "full": ([*torch, "--sync"], fuse)}
    result = {"schema": "contourfuse.bench.fuse_vs_torch/1", "base_bytes": comparing.folder_bytes(base),
              "delta_bytes": comparing.folder_bytes(delta), "threads": comparing.processors(), "durability": {}}
    try:
        for command, output in (ways["none"][0], theirs), (ways["none"][1], ours):
            comparing.seconds(command, output)  # brings the sources into the page cache
        result["differing_share"] = differing_share(theirs, ours)
        for way, commands in ways.items():
            rounds = [{name: comparing.seconds(command, output, chosen.pause)
                       for name, command, output in zip(("torch", "fuse"), commands, (theirs, ours))}
                      for _ in range(chosen.rounds)]
            result["durability"][way] = {"rounds": rounds, "seconds": comparing.medians(rounds),
                                         "times_faster": comparing.ratio(rounds, "torch", "fuse")}
    finally:
        for output in theirs, ours:
            shutil.rmtree(output, ignore_errors=True)
    return result


def table(result):
    print(f"base {result['base_bytes'] / 1e9:.2f} GB, delta {result['delta_bytes'] / 1e9:.2f} GB, "
          f"{result['threads']} threads, sources in the page cache; "
          f"{100 * result['differing_share']:.4f} % of the weights differ in their bits")
    print(f"{'durability':12}{'torch s':>10}{'fuse s':>10}{'times':>8}")
    for way, measured in result["durability"].items():
        print(f"{way:12}{measured['seconds']['torch']:10.2f}{measured['seconds']['fuse']:10.2f}"
              f"{measured['times_faster']:8.1f}")


def main():
    chosen = arguments()
    if subprocess.run([chosen.python, "-c", "import torch, safetensors, numpy"], check=False).returncode != 0:
        sys.exit("fuse_vs_torch: no torch; tools/setup.sh --hf installs it")
    if pathlib.Path(sys.executable) != pathlib.Path(chosen.python):
        os.execv(chosen.python, [chosen.python, *sys.argv])  # numpy is there
    result = measure(chosen)
    return comparing.finish(
        chosen, result, table,
        lambda measured, limit: min(way["times_faster"] for way in measured["durability"].values()) < limit)


if __name__ == "__main__":
    sys.exit(main())
