"""What the comparisons share: arguments, checkpoints to work on, rounds in turn and their medians."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def parser_of(description, rounds):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/release/bin",
                        help="folder of contourfuse (default: %(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench",
                        help="where checkpoints are made and kept (default: %(default)s)")
    parser.add_argument("--scale", default="1/7", help="factor of 31b's dimensions (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=rounds,
                        help="times that all is done, in turn (default: %(default)s)")
    parser.add_argument("--limit", type=float, help="exit with status 1 if a ratio is beyond this")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def parse(parser):
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not (chosen.programs / "contourfuse").exists():
        parser.error(f"{chosen.programs / 'contourfuse'} is not built")
    return chosen


def processors():
    return len(os.sched_getaffinity(0))


def checkpoints(chosen):
    """A random model like Gemma 4 31B and a stored delta, made if absent; names tell the scale."""
    program = chosen.programs / "contourfuse"
    name = chosen.scale.replace("/", "-of-")
    base, delta = chosen.folder / f"base-{name}", chosen.folder / f"delta-{name}"
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if not base.exists():
        subprocess.run([program, "synth", "--like", "31b", "--scale", chosen.scale, "--output", base, "--quiet"],
                       check=True)
    if not delta.exists():
        subprocess.run([program, "generate", "--base-model", base, "--output-dir", delta, "--quiet"], check=True)
    return base, delta


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds(command, output, pause=0):
    """Wall time of a command that writes a folder. That of the run before is gone and everything
    written out first, and the disk has rested, so that each run finds the machine alike."""
    shutil.rmtree(output, ignore_errors=True)
    os.sync()
    time.sleep(pause)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def medians(rounds):
    return {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}


def ratio(rounds, name, other):
    return statistics.median(times[name] / times[other] for times in rounds)


def finish(chosen, result, table, beyond):
    """Prints the result and returns the exit status; `beyond` tells whether a limit is broken."""
    if chosen.json:
        print(json.dumps(result, indent=2))
    else:
        table(result)
    sys.stdout.flush()
    return 1 if chosen.limit is not None and beyond(result, chosen.limit) else 0
