#!/usr/bin/env python3
"""How much longer a fuse takes than a copy of the base by the same means, on this machine.

Makes a random checkpoint like Gemma 4 31B at 1/7 of its size (about 1 GB) and a stored delta for
it, if they are not there yet, then copies and fuses in turn. See README.md.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/release/bin",
                        help="folder of contourfuse and copy_checkpoint (default: %(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench",
                        help="where checkpoints are made and kept (default: %(default)s)")
    parser.add_argument("--scale", default="1/7", help="factor of 31b's dimensions (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="copies and fuses (default: %(default)s)")
    parser.add_argument("--durability", choices=["full", "none"], default="full",
                        help="of both: on disk when done, or left to the system (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of both (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=3,
                        help="seconds before each: a disk is slower right after many writes (default: %(default)s)")
    parser.add_argument("--limit", type=float, help="exit with status 1 if the median ratio is above this")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    for name in "contourfuse", "copy_checkpoint":
        if not (chosen.programs / name).exists():
            parser.error(f"{chosen.programs / name} is not built")
    return chosen


def checkpoints(chosen):
    """The base and the delta, made if absent; both names tell the scale."""
    program = chosen.programs / "contourfuse"
    name = chosen.scale.replace("/", "-of-")
    base, delta = chosen.folder / f"base-{name}", chosen.folder / f"delta-{name}"
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if not base.exists():
        subprocess.run([program, "synth", "--like", "31b", "--scale", chosen.scale, "--output", base, "--quiet"], check=True)
    if not delta.exists():
        subprocess.run([program, "generate", "--base-model", base, "--output-dir", delta, "--quiet"], check=True)
    return base, delta


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds(command, targets, pause):
    """Wall time of the command. All output from before is gone and written out first, and the disk
    has rested, so that each run finds the machine alike."""
    for target in targets:
        shutil.rmtree(target, ignore_errors=True)
    os.sync()
    time.sleep(pause)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def peak_anonymous_kb(command, target):
    """Of one more run: reading it often costs time that is not the program's."""
    shutil.rmtree(target, ignore_errors=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"RssAnon:\s+(\d+) kB", status)
        peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.003)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with status {process.returncode}")
    return peak


def measure(chosen):
    base, delta = checkpoints(chosen)
    copied, fused = chosen.folder / "copied", chosen.folder / "fused"
    copy = [chosen.programs / "copy_checkpoint", base, copied, str(chosen.threads), chosen.durability]
    fuse = [chosen.programs / "contourfuse", "fuse", "--model", base, "--weights", delta, "--output", fused,
            "--threads", str(chosen.threads), "--durability", chosen.durability, "--quiet"]
    try:
        targets = copied, fused
        for command in copy, fuse:  # brings the sources into the page cache
            seconds(command, targets, 0)
        rounds = []
        for _ in range(chosen.rounds):
            rounds.append({name: seconds(command, targets, chosen.pause)
                           for name, command in (("copy", copy), ("fuse", fuse))})
        peak = peak_anonymous_kb(fuse, fused)
    finally:
        for target in copied, fused:
            shutil.rmtree(target, ignore_errors=True)
    return {
        "schema": "contourfuse.bench.fuse_vs_copy/1",
        "durability": chosen.durability,
        "threads": chosen.threads,
        "base_bytes": folder_bytes(base),
        "delta_bytes": folder_bytes(delta),
        "rounds": rounds,
        "copy_seconds": statistics.median(times["copy"] for times in rounds),
        "fuse_seconds": statistics.median(times["fuse"] for times in rounds),
        "ratio": statistics.median(times["fuse"] / times["copy"] for times in rounds),
        "fuse_peak_anonymous_kb": peak,
    }


def table(result):
    base = result["base_bytes"]
    print(f"base {base / 1e9:.2f} GB, delta {result['delta_bytes'] / 1e9:.2f} GB, "
          f"{result['threads']} threads, durability {result['durability']}, sources in the page cache")
    print(f"{'':8}{'copy s':>10}{'fuse s':>10}{'ratio':>8}")
    for number, times in enumerate(result["rounds"], 1):
        print(f"{number:<8}{times['copy']:10.2f}{times['fuse']:10.2f}{times['fuse'] / times['copy']:8.2f}")
    print(f"{'median':8}{result['copy_seconds']:10.2f}{result['fuse_seconds']:10.2f}{result['ratio']:8.2f}")
    print(f"{'GB/s':8}{base / 1e9 / result['copy_seconds']:10.2f}{base / 1e9 / result['fuse_seconds']:10.2f}")
    print(f"fuse's peak of anonymous memory: {result['fuse_peak_anonymous_kb'] / 1024:.1f} MiB")


def main():
    chosen = arguments()
    result = measure(chosen)
    if chosen.json:
        print(json.dumps(result, indent=2))
    else:
        table(result)
    return 1 if chosen.limit is not None and result["ratio"] > chosen.limit else 0


if __name__ == "__main__":
    sys.exit(main())
