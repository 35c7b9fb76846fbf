"""A fuse in place that ends anywhere can be taken back bit for bit, and finished."""

import errno
import re

import pytest

from e2e.program import DONE, FAILED, refusal, run

from .crash import seeded, states
from .disk_model import Disk, tree
from .kill_test import STEP, moments
from .preloaded import SANITIZED, preload, recorded
from .scene import below, different

CUT = 10 if SANITIZED else 40  # states of power cuts in which the program is run
STRAY = re.compile(r"\.partial-[0-9a-f]{16}$")
MARK = "contourfuse.unfinished"


def fuse_words(scene, weights="stored"):
    words = [word for word in scene.fuse(weights=weights) if word not in ("--output", scene.out)]
    return [*words, "--in-place", "--undo", scene.root / "undo"]


def model(contents):
    """The model's files, but for those that no one has named yet."""
    return {name: content for name, content in below(contents, "base").items() if not STRAY.search(name)}


def check(contents, start, finished, undo):
    """What must hold at any moment; returns whether the undo file is there."""
    base = model(contents)
    for name in ("stored", "recipe"):
        assert not different(below(contents, name), below(start, name))
    others = {name.split("/")[0] for name in contents} - {"base", "stored", "recipe", "undo"}
    assert all(STRAY.search(name) and name.startswith("undo.") for name in others), others
    if "undo" not in contents:
        assert not different(base, model(start)), "changed without an undo file"
        return False
    undo_is_whole = contents["undo"] == undo
    assert undo_is_whole
    shards = {name for name in base if name.endswith(".safetensors")}
    if any({name: base[name] for name in shards} == {name: whole[name] for name in shards} for whole in (model(start), finished)):
        return True
    assert MARK in base, "a model that is edited in part and does not say so"
    return True


@pytest.fixture
def in_place(scene):
    """The words, the calls of a whole run, the model after it, and the undo file."""
    words = fuse_words(scene)
    calls = recorded(scene.root, scene.records, *words)
    after = tree(scene.root)
    finished = model(after)
    assert different(finished, model(scene.start)) == ["README.md", "contourfuse.json", *sorted(p.name for p in (scene.root / "base").glob("*-of-*"))]
    disk = Disk(scene.root, scene.start).replay(calls)
    assert not different(disk.crash(disk.calls, disk.pending(disk.calls)), after), "the record misses calls"
    scene.put(scene.start)
    return words, calls, finished, after["undo"]


def mend(scene, words, finished, number):
    """Takes it back or finishes it, by turns."""
    if number % 2 and (scene.root / "undo").exists():
        run("undo", scene.root / "undo", "--quiet", expect=DONE)
        assert not different(model(tree(scene.root)), model(scene.start))
    else:
        run(*words, expect=DONE)
        assert not different(model(tree(scene.root)), finished)
        run("verify", scene.root / "base", "--quiet", expect=DONE)


def test_killed_at_every_call(scene, in_place):
    words, calls, finished, undo = in_place
    seen = set()
    for number, rule in list(enumerate(moments(calls)))[::STEP]:
        scene.kill(rule, *words)
        seen.add(check(tree(scene.root), scene.start, finished, undo))
        mend(scene, words, finished, number)
        scene.put(scene.start)
    assert seen == {False, True}


def test_every_call_may_fail(scene, in_place):
    words, calls, finished, undo = in_place
    for number, call in list(enumerate(calls, 1))[::STEP]:
        environment = preload(scene.root, f"do=fail errno={errno.ENOSPC} nth={number}")
        if call.name == "writeback":
            run(*words, environment=environment, expect=DONE)
        else:
            error = refusal(*words, environment=environment, expect=FAILED)
            assert error["kind"] == "io-no-space" and error["file"].startswith(str(scene.root)), (call, error)
        check(tree(scene.root), scene.start, finished, undo)
        mend(scene, words, finished, number)
        scene.put(scene.start)


def test_no_power_cut_takes_the_originals(scene, in_place):
    words, calls, finished, undo = in_place
    disk = Disk(scene.root, scene.start).replay(calls)
    generator = seeded()
    secured = {}
    for after, state in states(disk, generator):
        if check(state, scene.start, finished, undo):
            secured.setdefault(repr(sorted(state.items())), state)
        if after == disk.calls:
            assert not different(model(state), finished)
    assert len(secured) > CUT / 2
    for number, state in enumerate(generator.sample(list(secured.values()), min(CUT, len(secured)))):
        scene.put(state)
        mend(scene, words, finished, number)


@pytest.mark.parametrize("which", ["undo", "base"])
def test_a_missing_sync_is_found(scene, in_place, which):
    """Without the undo file's syncs the originals may be lost; without the model's, the end is none."""
    _, calls, finished, undo = in_place
    disk = Disk(scene.root, scene.start).replay([c for c in calls if c.name != "sync" or f"/{which}" not in c.path])
    wrong = []
    for after, state in states(disk, seeded()):
        try:
            check(state, scene.start, finished, undo)
            assert after < disk.calls or not different(model(state), finished)
        except AssertionError as error:
            wrong.append(error)
    assert wrong


def test_undo_itself_may_be_killed(scene, in_place):
    words, _, finished, undo = in_place
    run(*words, expect=DONE)
    fused = tree(scene.root)
    calls = recorded(scene.root, scene.records, "undo", scene.root / "undo", "--quiet", "--threads", 1)
    disk = Disk(scene.root, fused).replay(calls)
    generator = seeded()
    cut = [state for _, state in states(disk, generator)]
    for state in cut:
        check(state, scene.start, finished, undo)
    assert all(model(disk.crash(disk.calls, kept)) == model(scene.start) for kept in disk.choices(disk.calls, generator))
    for state in generator.sample(cut, CUT // 4):
        scene.put(state)
        run("undo", scene.root / "undo", "--quiet", expect=DONE)
        assert not different(model(tree(scene.root)), model(scene.start))
