#!/usr/bin/env python3
"""How long a sweep of 64 α × 32 γ takes, compared with one fuse of the same layers, on this machine.

Uses fuse_vs_copy.py's checkpoint and delta (about 1 GB and 1 GB), made if they are not there yet.
Weight metrics only, sources in the page cache. See README.md.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from fuse_vs_copy import ROOT, checkpoints, folder_bytes

ALPHA_COUNTS = (1, 4, 16, 64)
GAMMAS = "log:0.01:25:32"


def alphas(count):
    return "1" if count == 1 else f"log:0.01:64:{count}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/release/bin",
                        help="folder of contourfuse (default: %(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench",
                        help="where checkpoints are made and kept (default: %(default)s)")
    parser.add_argument("--scale", default="1/7", help="factor of 31b's dimensions (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="fuses and sweeps (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+",
                        default=sorted({1, len(os.sched_getaffinity(0))}),
                        help="of both, in turn (default: %(default)s)")
    parser.add_argument("--limit", type=float, help="exit with status 1 if a median ratio is above this")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not (chosen.programs / "contourfuse").exists():
        parser.error(f"{chosen.programs / 'contourfuse'} is not built")
    return chosen


def seconds(command, output):
    """Wall time of the command, which writes a folder; that of the run before is gone."""
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(chosen):
    base, delta = checkpoints(chosen)
    program = chosen.programs / "contourfuse"
    fused, swept = chosen.folder / "fused", chosen.folder / "swept"

    def fuse(threads):
        return seconds([program, "fuse", "--model", base, "--weights", delta, "--output", fused,
                        "--threads", str(threads), "--durability", "none", "--quiet"], fused)

    def sweep(threads, count):
        return seconds([program, "sweep", "run", "--model", base, "--weights", delta, "--output", swept,
                        "--alphas", alphas(count), "--gammas", GAMMAS, "--probe-tokens", "0",
                        "--threads", str(threads), "--device", "cpu", "--quiet"], swept)

    try:
        fuse(chosen.threads[0])  # brings the sources into the page cache
        sweep(chosen.threads[0], 1)
        rows = []
        for threads in chosen.threads:
            rounds = [{"fuse": fuse(threads), **{str(n): sweep(threads, n) for n in ALPHA_COUNTS}}
                      for _ in range(chosen.rounds)]
            middle = {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
            rows.append({
                "threads": threads,
                "rounds": rounds,
                "fuse_seconds": middle["fuse"],
                "sweep_seconds": {str(n): middle[str(n)] for n in ALPHA_COUNTS},
                "seconds_per_alpha": {str(n): middle[str(n)] / n for n in ALPHA_COUNTS},
                "ratio": statistics.median(times[str(ALPHA_COUNTS[-1])] / times["fuse"] for times in rounds),
            })
    finally:
        for folder in fused, swept:
            shutil.rmtree(folder, ignore_errors=True)
    return {"schema": "contourfuse.bench.sweep_vs_fuse/1", "base_bytes": folder_bytes(base),
            "delta_bytes": folder_bytes(delta), "gammas": GAMMAS, "threads": rows}


def table(result):
    print(f"base {result['base_bytes'] / 1e9:.2f} GB, delta {result['delta_bytes'] / 1e9:.2f} GB, "
          f"32 values of gamma, sources in the page cache")
    counts = "".join(f"{f'{n} alphas':>12}" for n in ALPHA_COUNTS)
    print(f"{'threads':8}{'fuse s':>10}{counts}{'ratio':>8}")
    for row in result["threads"]:
        times = "".join(f"{row['sweep_seconds'][str(n)]:12.2f}" for n in ALPHA_COUNTS)
        print(f"{row['threads']:<8}{row['fuse_seconds']:10.2f}{times}{row['ratio']:8.2f}")
        each = "".join(f"{1000 * row['seconds_per_alpha'][str(n)]:12.1f}" for n in ALPHA_COUNTS)
        print(f"{'':8}{'ms each':>10}{each}")


def main():
    chosen = arguments()
    result = measure(chosen)
    if chosen.json:
        print(json.dumps(result, indent=2))
    else:
        table(result)
    worst = max(row["ratio"] for row in result["threads"])
    return 1 if chosen.limit is not None and worst > chosen.limit else 0


if __name__ == "__main__":
    sys.exit(main())
