"""The model of a disk drops what was not synced, and finds programs that sync too little."""

import random
import shutil
from dataclasses import replace

import pytest

from .crash import crashes
from .disk_model import Disk
from .preloaded import Call
from .scene import Scene


def call(name, path, other="", offset=0, data=b"", count=None):
    return Call(name, 0, path, other, offset, len(data) if count is None else count, data)


def all_states(calls, before=None, root="/disk"):
    disk = Disk(root, before or {}).replay(calls)
    return [state for after in range(len(calls) + 1) for state in (disk.crash(after, kept) for kept in disk.choices(after, random.Random(1), 20))]


def test_bytes_last_once_the_file_is_synced():
    calls = [call("create", "/disk/a"), call("write", "/disk/a", data=b"12"), call("sync", "/disk")]
    assert {state.get("a") for state in all_states(calls)} == {None, b"", b"12"}
    disk = Disk("/disk", {}).replay([*calls, call("sync", "/disk/a")])
    assert [disk.crash(4, kept) for kept in disk.choices(4, random.Random(1))] == [{"a": b"12"}] * 2


def test_a_rename_may_come_before_the_bytes():
    calls = [call("create", "/disk/a"), call("write", "/disk/a", data=b"12"), call("rename", "/disk/a", "/disk/b")]
    states = all_states(calls)
    assert {"b": b""} in states and {"b": b"12"} in states and {} in states
    assert not [state for state in states if "a" in state and "b" in state], "half a rename"


def test_an_exchange_is_whole():
    before = {"a": None, "a/x": b"1", "b": None, "b/x": b"2"}
    swapped = {"a": None, "a/x": b"2", "b": None, "b/x": b"1"}
    states = all_states([call("exchange", "/disk/a", "/disk/b")], before)
    assert {repr(sorted(state.items())) for state in states} == {repr(sorted(state.items())) for state in (before, swapped)}


def test_blocks_of_a_write_come_apart():
    calls = [call("write", "/disk/a", offset=10, data=b"x" * 8192)]
    before = {"a": b"-" * 8202}
    kept = {tuple(state["a"][at] == ord("x") for at in (10, 5000, 8200)) for state in all_states(calls, before)}
    assert len(kept) > 4, kept


def test_sizes_and_copies():
    before = {"a": b"12345678"}
    calls = [call("create", "/disk/b"), call("clone", "/disk/b", "/disk/a"), call("truncate", "/disk/b", count=3),
             call("allocate", "/disk/b", offset=2, count=4), call("copy", "/disk/b", "/disk/a", offset=6, count=2),
             call("link", "/disk/b", "/disk/c"), call("unlink", "/disk/b")]
    disk = Disk("/disk", before).replay(calls)
    assert disk.crash(len(calls), disk.pending(len(calls))) == before | {"c": b"123\0\0\0" + b"78"}


def is_folder(one, calls):
    return any(other.path.startswith(one.path + "/") for other in calls)


def without_syncs(calls, which):
    return [c for c in calls if c.name != "sync" or not which(c)]


def published_first(calls):
    """What was synced of the partial is synced after its last step."""
    step = next(number for number, c in enumerate(calls) if c.other.endswith("/out"))
    partial, out = calls[step].path, calls[step].other
    inside = lambda c: c.path != f"{partial}/README.md" and ".partial-" not in c.path[len(partial) :]
    late = [replace(c, path=out + c.path[len(partial) :]) for c in calls[:step] if c.name == "sync" and inside(c)]
    return without_syncs(calls[:step], lambda c: True) + [calls[step], *late, *calls[step + 1 :]]


PLANTED = {
    "no syncs": lambda calls: without_syncs(calls, lambda c: True),
    "no file synced": lambda calls: without_syncs(calls, lambda c: not is_folder(c, calls)),
    "no folder synced": lambda calls: without_syncs(calls, lambda c: is_folder(c, calls)),
    "one shard not synced": lambda calls: without_syncs(calls, lambda c: "model-00002" in c.path),
    "manifest not synced": lambda calls: without_syncs(calls, lambda c: "contourfuse.json" in c.path),
    "inner folder not synced": lambda calls: without_syncs(calls, lambda c: c.path.endswith("/assets")),
    "parent not synced": lambda calls: without_syncs(calls, lambda c: c.path.endswith("/disk")),
    "published before the syncs": published_first,
}


@pytest.fixture(scope="module")
def fused(tmp_path_factory, models):
    """A scene, and the calls and the output of a fuse in it."""
    folder = tmp_path_factory.mktemp("fused")
    shutil.copytree(models, folder / "disk")
    fused = Scene(folder / "disk", folder)
    return fused, *fused.undisturbed(*fused.fuse())


def test_the_program_syncs_enough(fused):
    scene, calls, made = fused
    assert not list(crashes(scene, calls, made))


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_errors_are_found(fused, planted):
    scene, calls, made = fused
    worse = PLANTED[planted](calls)
    assert worse != calls
    assert list(crashes(scene, worse, made))
