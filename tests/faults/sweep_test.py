"""A sweep that is killed or cut off anywhere leaves whole parts only, and the same command ends it."""

import re

import pytest

from e2e.program import DONE, run

from .crash import seeded, states
from .disk_model import Disk, tree
from .kill_test import STEP, moments
from .preloaded import recorded
from .scene import below, different

STRAY = re.compile(r"\.(tmp|partial)-[0-9a-f]+$")
# Written again from the parts by whoever needs them, and not synced.
REMADE = ("results.jsonl", "results.csv", "report.html")


def words_of(scene):
    return ["sweep", "run", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", scene.root / "run",
            "--alphas", "0.5", "2", "--gammas", "0.1", "--probe-tokens", 0, "--threads", 1, "--device", "cpu", "--quiet"]


def named(contents):
    found = below(contents, "run") or {}
    return {name: content for name, content in found.items() if not STRAY.search(name)}


@pytest.fixture
def swept(scene):
    """The words, the calls of a whole run, and what it leaves."""
    words = words_of(scene)
    calls = recorded(scene.root, scene.records, *words)
    after = tree(scene.root)
    disk = Disk(scene.root, scene.start).replay(calls)
    assert not different(disk.crash(disk.calls, disk.pending(disk.calls)), after), "the record misses calls"
    assert {call.name for call in calls} >= {"mkdir", "create", "write", "sync", "rename", "link", "unlink"}
    scene.put(scene.start)
    return words, calls, named(after)


def check(scene, contents, made, remade=()):
    assert not different({name: content for name, content in contents.items() if name in scene.start}, scene.start)
    for name, content in named(contents).items():
        is_whole = content == made[name]
        assert is_whole or name in remade, name


def test_killed_at_every_call(scene, swept):
    words, calls, made = swept
    for rule in list(moments(calls))[::STEP]:
        scene.kill(rule, *words)
        check(scene, tree(scene.root), made)
        run(*words, expect=DONE)
        assert not different(named(tree(scene.root)), made), rule
        scene.put(scene.start)


def test_no_power_cut_takes_a_part(scene, swept):
    words, calls, made = swept
    disk = Disk(scene.root, scene.start).replay(calls)
    generator = seeded()
    cut = []
    for after, state in states(disk, generator):
        check(scene, state, made, REMADE)
        if after == disk.calls:
            assert {*REMADE, *named(state)} == made.keys(), "what is done is not durable"
            cut.append(state)
    for state in cut[:: 2 * STEP]:
        scene.put(state)
        run(*words, expect=DONE)
        assert not different(named(tree(scene.root)), made)
