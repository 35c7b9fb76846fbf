"""A disk that is full or fails: a named error with file and offset, exit 1, no output; interrupted and short calls go on."""

import errno
import os
import signal
import subprocess

import pytest

from e2e.program import BAD_INPUT, DONE, FAILED, refusal, run, run_json

from .disk_model import tree
from .preloaded import SANITIZED, preload, recorded, run_with, start_with
from .scene import below, different, fill

STEP = 5 if SANITIZED else 1
KINDS = {errno.ENOSPC: "io-no-space", errno.EDQUOT: "io-quota", errno.EIO: "io-error"}
# What a failing one of these costs is time alone.
HINTS = ("clone", "writeback")


def fail_at_every_call(scene, words, calls, made, code, first=0):
    """Fails every STEP-th of these; returns the names of those that failed."""
    published = next(number for number, call in enumerate(calls, 1) if call.other == str(scene.out))
    names = set()
    for number, call in list(enumerate(calls, 1))[first % STEP :: STEP]:
        environment = preload(scene.root, f"do=fail errno={code} nth={number}")
        if call.name in HINTS:
            run(*words, environment=environment, expect=DONE)
            assert not different(scene.check_now(made), made), call
        else:
            error = refusal(*words, environment=environment, expect=FAILED)
            assert error["kind"] in (KINDS[code], "old-output-not-removed"), (call, error)
            assert error["file"].startswith(str(scene.root)), (call, error)
            if call.name == "write":
                assert error["offset"] == call.offset, (call, error)
            old = below(scene.start, "out")
            assert not different(scene.check_now(made), made if number > published else old), call
        names.add(call.name)
        scene.reset()
    return names


@pytest.mark.parametrize("code", KINDS, ids=errno.errorcode.get)
def test_every_call_that_changes_the_disk_may_fail(scene, code):
    words = scene.fuse()
    calls, made = scene.undisturbed(*words)
    names = fail_at_every_call(scene, words, calls, made, code, code)
    if STEP == 1:
        assert names >= {"mkdir", "create", "allocate", "write", "sync", "rename", "clone", "unlink"}


def test_every_call_of_a_replacement_may_fail(scene):
    """The old output stays until the new one stands; what cannot be removed of it is said."""
    run(*scene.fuse("--alpha", "0.5"), expect=DONE)
    scene.add_to_start()
    words = scene.fuse("--overwrite", "--durability", "none", weights="recipe")
    calls, made = scene.undisturbed(*words)
    exchange = next(place for place, call in enumerate(calls) if call.name == "exchange")
    assert "exchange" in fail_at_every_call(scene, words, calls, made, errno.EIO, exchange)


def test_every_call_of_a_resumed_run_may_fail(scene):
    """It can be resumed again; what is kept of the killed run are two shards."""
    words = scene.fuse("--resume")
    calls, made = scene.undisturbed(*words)
    third = next(number for number, call in enumerate(calls, 1) if call.name == "write" and "model-00003" in call.path)
    scene.kill(f"do=after nth={third}", *words)
    scene.add_to_start()
    calls = recorded(scene.root, scene.records, *words)
    assert not any(call.name == "write" and "model-00001" in call.path for call in calls), "the first shard is done again"
    scene.reset()
    fail_at_every_call(scene, words, calls, made, errno.EIO)
    run(*words, expect=DONE)
    assert not different(scene.check_now(made, partials=False), made)


def test_every_read_may_fail(scene):
    """Of an input, of a folder that is to be synced, or of the output's own files."""
    words = scene.fuse()
    reads = recorded(scene.root, scene.records, *words, kind="0")
    made = scene.take()
    # The folder beside it is opened to ask for room, and last to sync the output's new name.
    published = max(number for number, call in enumerate(reads, 1) if call.path == str(scene.root))
    assert len({call.path for call in reads}) > 12 and {call.name for call in reads} == {"open", "read"}
    for number, call in list(enumerate(reads, 1))[::STEP]:
        environment = preload(scene.root, f"do=fail errno={errno.EIO} names=reads nth={number}")
        error = refusal(*words, environment=environment, expect=FAILED)
        assert error["kind"] == "io-error", (call, error)
        if "/out." not in call.path:
            assert error["file"] == call.path, (call, error)
        if call.name == "read":
            assert error["offset"] == call.offset, (call, error)
        assert not different(scene.check_now(made), made if number == published else None), call
        scene.reset()


INTERRUPTED = [
    f"do=fail errno={errno.EINTR} every=2 names=create,write,read,truncate,allocate,sync,clone,copy",
    f"do=fail errno={errno.EINTR} every=3 names=open path=*.safetensors",
    "do=short names=read,write",
]


@pytest.mark.parametrize("weights", ["stored", "recipe"])
@pytest.mark.parametrize("more", [[], ["--direct"], ["--io", "mmap"]], ids=["plain", "direct", "mmap"])
def test_interrupted_and_short_calls_go_on(scene_on_disk, weights, more):
    scene = scene_on_disk
    _, made = scene.undisturbed(*scene.fuse(weights=weights))
    run_with(scene.root, INTERRUPTED, *scene.fuse(*more, weights=weights, threads=3), expect=DONE)
    assert not different(scene.check_now(made, partials=False), made)


@pytest.mark.parametrize("method", ["pread", "mmap", "direct"])
@pytest.mark.parametrize("which", ["base", "stored"])
def test_an_input_that_is_cut_while_it_is_read(scene_on_disk, method, which):
    """Stopped at its first write of a shard, the program has read every header and mapped what it maps, and not yet read what is cut off."""
    scene = scene_on_disk
    path = sorted((scene.root / which).glob("*.safetensors"))[-1]
    process = start_with(scene.root, ["do=stop names=write nth=1 path=*/model-00001*"], *scene.fuse("--json", "--io", method))
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), status
        whole = path.read_bytes()
        os.truncate(path, 4096 if which == "stored" else 100)
    finally:
        process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == FAILED, err
    assert str(path) in out and ("io-short-read" in out or "changed" in out), out
    path.write_bytes(whole)
    assert scene.check_now(None) is None


def test_a_disk_that_fills_while_it_is_written(scene, small_disk):
    words = ["fuse", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", small_disk / "out", "--json"]
    process = start_with(small_disk, ["do=stop names=write nth=4"], *words)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), status
        fill(small_disk, 0)
    finally:
        process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == FAILED and '"io-no-space"' in out, (out, err)
    assert not (small_disk / "out").exists()


def test_a_disk_that_is_read_only(scene, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    words = ["fuse", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", small_disk / "out"]
    error = refusal(*words, expect=BAD_INPUT)
    assert error["kind"] == "output-not-writable" and error["file"] == str(small_disk), error


SWEEP = ["--alphas", "0.5", "1", "--gammas", "0.1", "--probe-tokens", 0, "--threads", 1]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMLINK])
def test_a_part_that_cannot_have_its_name(scene, code):
    """A failing link is no other run that came first."""
    words = ["sweep", "run", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", scene.root / "run", *SWEEP]
    error = refusal(*words, environment=preload(scene.root, f"do=fail errno={code} names=link"), expect=FAILED)
    assert error["file"].startswith(str(scene.root / "run" / "parts")), error
    assert not list((scene.root / "run" / "parts").iterdir())
    run_json(*words)
    assert below(tree(scene.root), "run")["results.csv"]
