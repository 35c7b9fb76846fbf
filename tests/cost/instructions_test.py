"""Instructions of the kernels and of small runs, within 3 % of those that instructions.csv records.

A run of this file as a program records them again: build/venv/bin/python tests/cost/instructions_test.py"""

import csv
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cost.conftest import make_models
from cost.counting import instructions, instructions_of_calls
from e2e.program import DONE, SOURCE, program_path, run

TABLE = Path(__file__).with_name("instructions.csv")
BUILD = Path(os.environ.get("CONTOURFUSE_BUILD_DIR", SOURCE / "build/release"))
TOLERANCE = 0.03
COMPILER = "g++ 12"
# The highest level that valgrind 3.19 can run; on it, whole programs take this one.
LEVEL = "x86-64-v3"

# One thread: with more, what they do while they wait is counted too.
RUNS = {
    "fuse": "fuse --model base --weights stored --output OUT",
    "fuse, recipe": "fuse --model base --weights recipe --output OUT",
    "fuse, stochastic": "fuse --model base --weights stored --output OUT --rounding stochastic",
    "generate": "generate --base-model base --output-dir OUT",
    "verify": "verify fused --base base --weights stored --recompute",
    "diff": "diff base fused",
    "inspect": "inspect base",
}


def why_not():
    """Why counts here cannot be compared with the table; None if they can."""
    if platform.machine() != "x86_64" or not re.search(r"\bavx2\b", Path("/proc/cpuinfo").read_text()):
        return f"the table is of {LEVEL}, which this processor does not have"
    if shutil.which("valgrind") is None:
        return "valgrind is missing: tools/setup.sh --cost"
    cache = (BUILD / "CMakeCache.txt").read_text()
    if "CMAKE_BUILD_TYPE:STRING=Release" not in cache or os.environ.get("CONTOURFUSE_SANITIZE"):
        return "the table is of the preset release"
    strings = subprocess.run(["readelf", "-p", ".comment", program_path()], capture_output=True, text=True, check=True).stdout
    if not re.search(r"GCC: \(Debian [^)]*\) 12\.", strings):
        return f"the table is of Debian's {COMPILER}"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


def kernel_counts(folder):
    """(name, elements, instructions) of every kernel of every level."""
    counts, out = instructions_of_calls(BUILD / "bin/counted_kernels", "run_counted", folder)
    names = [line.split(",") for line in out.splitlines()]
    assert len(names) == len(counts), out
    return [(name, int(elements), count) for (name, elements), count in zip(names, counts)]


def run_count(name, models, folder):
    words = [str(Path(folder) / "out") if word == "OUT" else word for word in RUNS[name].split()]
    words = [str(models / word) if word in ("base", "stored", "recipe", "fused") else word for word in words]
    return instructions([program_path(), *words, "--threads", "1", "--device", "cpu", "--quiet"], folder)


def make_fused(models):
    run("fuse", "--model", models / "base", "--weights", models / "stored", "--output", models / "fused", expect=DONE)


def recorded():
    with TABLE.open() as file:
        return {row["what"]: int(row["instructions"]) for row in csv.DictReader(file)}


def check(found):
    """Every count of {name: count} against the table; all that are off, in one message."""
    table = recorded()
    assert set(found) <= set(table), f"not in {TABLE.name}: {sorted(set(found) - set(table))}; record it again"
    off = {name: count / table[name] - 1 for name, count in found.items()}
    for name, by in off.items():
        print(f"{name}: {found[name]:,} instructions, {by:+.2%}")
    beyond = [f"{name}: {by:+.1%}" for name, by in off.items() if abs(by) > TOLERANCE]
    assert not beyond, f"instructions against {TABLE.name}: {'; '.join(beyond)}"


@pytest.fixture(scope="module")
def fused(models):
    make_fused(models)
    return models


def test_kernels(tmp_path):
    found = {name: count for name, _, count in kernel_counts(tmp_path)}
    check(found)
    assert {name for name in recorded() if " " in name and name.split()[0] in (LEVEL, "baseline")} == set(found)


@pytest.mark.parametrize("name", RUNS)
def test_run(name, fused, tmp_path):
    check({name: run_count(name, fused, tmp_path)})


def record():
    reason = why_not()
    if reason:
        sys.exit(f"cannot record: {reason}")
    with tempfile.TemporaryDirectory(prefix="contourfuse-cost-") as temporary:
        folder = Path(temporary)
        rows = [(name, elements, count, f"{count / elements:.3f}") for name, elements, count in kernel_counts(folder)]
        make_models(folder)
        make_fused(folder)
        for name in RUNS:
            shutil.rmtree(folder / "out", ignore_errors=True)
            rows.append((name, "", run_count(name, folder, folder), ""))
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("what", "elements", "instructions", "an element"))
        writer.writerows(rows)


if __name__ == "__main__":
    record()
