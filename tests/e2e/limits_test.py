"""Few descriptors and little memory: the work is done within them, or a named error ends it and nothing is left."""

import os
import re
import shutil
import subprocess
import time

import pytest

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .program import DONE, FAILED, program_path, refusal, run, snapshot

SHARDS = 150
SANITIZED = bool(os.environ.get("CONTOURFUSE_SANITIZE"))
needs_plain_memory = pytest.mark.skipif(SANITIZED, reason="sanitizers map terabytes")
# It takes an error's type for a wrong one where it gets none.
needs_all_descriptors = pytest.mark.skipif(SANITIZED, reason="UBSan looks at an object's type through a pipe of its own")
METHODS = [[], ["--direct"], ["--io", "mmap"]]
method = pytest.mark.parametrize("more", METHODS, ids=["plain", "direct", "mmap"])


def within(*limits):
    """Options of run(): the program behind prlimit."""
    return [*limits, program_path()], {"program": "/usr/bin/prlimit"}


def run_within(limits, *words, **options):
    head, program = within(*limits)
    return run(*head, *words, **program, **options)


def refusal_within(limits, *words, **options):
    head, program = within(*limits)
    return refusal(*head, *words, **program, **options)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A model of many shards, and a delta of many files."""
    folder = tmp_path_factory.mktemp("many")
    layout = Layout(layers=60, hidden=16, width=16, shards=SHARDS)
    write_checkpoint(folder / "base", layout)
    write_foreign_delta(folder / "delta", random_deltas(layout), files=90)
    return folder


def fuse(folder, out, *more):
    return ["fuse", "--model", folder / "base", "--weights", folder / "delta", "--output", out, "--durability", "none", *more]


@method
def test_a_soft_limit_of_descriptors_is_raised(tmp_path, many, more):
    run_within(["--nofile=64:4096"], *fuse(many, tmp_path / "out", *more), expect=DONE)
    run_within(["--nofile=64:4096"], "verify", tmp_path / "out", "--base", many / "base", "--recompute", "--weights", many / "delta", expect=DONE)


@needs_all_descriptors
@method
def test_too_few_descriptors_are_an_error(tmp_path, many, more):
    seen = set()
    for limit in (8, 24, 64, 120, 200, 300):
        head, program = within(f"--nofile={limit}:{limit}")
        outcome = run(*head, *fuse(many, tmp_path / "out", *more, "--json"), **program)
        seen.add(outcome.code)
        if outcome.code == DONE:
            shutil.rmtree(tmp_path / "out")
            continue
        assert outcome.code == FAILED and '"io-no-descriptor"' in outcome.out and "ulimit -n" in outcome.err, (limit, outcome)
        assert os.listdir(tmp_path) == [], limit
    assert FAILED in seen


@needs_all_descriptors
def test_commands_that_read_need_few_descriptors(tmp_path, many):
    """They hold a file or two open, whatever the number of shards is; but diff those of both sides."""
    run(*fuse(many, tmp_path / "out"), expect=DONE)
    few = ["--nofile=64:64"]
    run_within(few, "verify", tmp_path / "out", "--base", many / "base", expect=DONE)
    run_within(["--nofile=64:4096"], "diff", many / "base", tmp_path / "out", expect=DONE)
    error = refusal_within(few, "diff", many / "base", tmp_path / "out", expect=FAILED)
    assert error["kind"] == "io-no-descriptor", error
    run_within(few, "generate", "--base-model", many / "base", "--output-dir", tmp_path / "delta", "--durability", "none", expect=DONE)
    run_within(few, "inspect", many / "base", expect=DONE)


@needs_all_descriptors
def test_in_place_with_too_few_descriptors_changes_nothing(tmp_path, many):
    model, undo = tmp_path / "model", tmp_path / "undo"
    shutil.copytree(many / "base", model)
    before = snapshot(model)
    words = ["fuse", "--model", model, "--weights", many / "delta", "--in-place", "--undo", undo]
    for limit in (24, 120, 200):
        error = refusal_within([f"--nofile={limit}:{limit}"], *words, expect=FAILED)
        assert error["kind"] == "io-no-descriptor", (limit, error)
        assert snapshot(model) == before
        if undo.exists():
            run("undo", undo, expect=DONE)
            undo.unlink()
    run_within(["--nofile=64:4096"], *words, expect=DONE)
    error = refusal_within(["--nofile=24:24"], "undo", undo, expect=FAILED)
    assert error["kind"] == "io-no-descriptor", error
    run_within(["--nofile=64:4096"], "undo", undo, expect=DONE)
    assert snapshot(model) == before


def threads_and_descriptors(words):
    """The most of both that a run has, read every few milliseconds."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen([program_path(), *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    threads = descriptors = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                threads = max(threads, int(re.search(r"Threads:\s+(\d+)", file.read()).group(1)))
            descriptors = max(descriptors, len(os.listdir(f"/proc/{process.pid}/fd")))
        except (FileNotFoundError, ProcessLookupError, AttributeError):
            break
        time.sleep(0.002)
    error = process.communicate()[1]
    assert process.returncode == DONE, error
    return threads, descriptors


@pytest.mark.parametrize("count", [1, 3])
def test_threads_and_descriptors_are_bounded(tmp_path, many, count):
    """--threads and one that the program itself is; a library's own, which do nothing here, are told to be none."""
    slow = ["--limit-rate", "2MB", "--threads", count]
    threads, descriptors = threads_and_descriptors(fuse(many, tmp_path / "out", *slow))
    # The base, the output, the delta; the standard ones, the folder, the journal.
    assert descriptors <= 2 * SHARDS + 90 + 8, descriptors
    assert threads <= count + 1, threads
    threads, descriptors = threads_and_descriptors(["verify", tmp_path / "out", "--base", many / "base", *slow])
    assert descriptors <= 12 and threads <= count + 1, (descriptors, threads)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Shards that are larger than the memory allowed below, and a delta for them."""
    folder = tmp_path_factory.mktemp("large")
    words = ["--scale", "1/8", "--layers", 12, "--max-shard-size", "40MB", "--durability", "none"]
    run("synth", "--like", "31b", "--output", folder / "base", *words, expect=DONE)
    run("generate", "--base-model", folder / "base", "--output-dir", folder / "delta", "--layers", "0-3", "--durability", "none", expect=DONE)
    return folder


# Of addresses, of which threads' stacks and arenas take most without using them.
ENOUGH = 768 << 20


@needs_plain_memory
@pytest.mark.parametrize("more", METHODS[:2], ids=["plain", "direct"])
def test_little_memory_is_enough(tmp_path, large, more):
    """The mappings of --io mmap are of whole files, and so not within such a limit."""
    size = sum(path.stat().st_size for path in (large / "base").iterdir())
    limit = [f"--as={ENOUGH}"]
    words = ["--threads", 2, *more]
    run_within(limit, *fuse(large, tmp_path / "out", *words), expect=DONE)
    run_within(limit, "verify", tmp_path / "out", "--base", large / "base", "--threads", 2, expect=DONE)
    run_within(limit, "diff", large / "base", tmp_path / "out", "--threads", 2, expect=DONE)
    run_within(limit, "generate", "--base-model", large / "base", "--output-dir", tmp_path / "delta", "--layers", "0-3", "--threads", 2, "--durability", "none", expect=DONE)
    assert size > 150 << 20


def starts(limit):
    """Whether the system loads the program within so many addresses."""
    head, program = within(f"--as={limit}")
    return run(*head, "--version", **program).code == DONE


@needs_plain_memory
@method
def test_too_little_memory_is_an_error(tmp_path, large, more):
    """At whatever point it is that there is none left."""
    least = next(limit for limit in range(16 << 20, ENOUGH, 4 << 20) if starts(limit))
    codes = set()
    for limit in range(least, ENOUGH, (ENOUGH - least) // 24):
        head, program = within(f"--as={limit}")
        outcome = run(*head, *fuse(large, tmp_path / "out", "--threads", 2, "--device", "cpu", "--json", *more), **program)
        codes.add(outcome.code)
        assert outcome.code in (DONE, FAILED), (limit, outcome)
        if outcome.code == DONE:
            shutil.rmtree(tmp_path / "out")
            continue
        assert re.search('"(out-of-memory|system-refused|io-error)"', outcome.out), (limit, outcome)
        assert outcome.err.startswith("contourfuse: error: "), (limit, outcome)
        # To remove a folder takes memory, too; --resume removes what is left.
        assert all(name.startswith("out.partial-") for name in os.listdir(tmp_path)), limit
        for left in tmp_path.iterdir():
            shutil.rmtree(left)
    assert FAILED in codes
