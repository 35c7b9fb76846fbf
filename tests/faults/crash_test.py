"""A power cut at any moment, whatever of the unsynced bytes and names it takes, leaves no output that is not whole."""

import re
from pathlib import Path

import pytest

from e2e.program import DONE, run

from .crash import crashes, seeded, states
from .disk_model import Disk, tree
from .preloaded import KILLED, SANITIZED, recorded
from .scene import below, different

RESUMES = 10 if SANITIZED else 40


def fuse_over(scene):
    """An output that is there already, and the words that replace it."""
    run(*scene.fuse(), "--alpha", "0.5", expect=DONE)
    scene.add_to_start()
    return scene.fuse("--overwrite")


COMMANDS = {
    "stored": lambda scene: scene.fuse(),
    "recipe": lambda scene: scene.fuse("--direct", weights="recipe"),
    "overwrite": fuse_over,
    "generate": lambda scene: ["generate", "--base-model", scene.root / "base", "--output-dir", scene.out, "--threads", 1],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_state_has_half_an_output(scene, command):
    words = COMMANDS[command](scene)
    calls = recorded(scene.root, scene.records, *words)
    after = tree(scene.root)
    made = below(after, "out")
    disk = Disk(scene.root, scene.start).replay(calls)
    assert not different(disk.crash(disk.calls, disk.pending(disk.calls)), after), "the record misses calls"
    assert not list(crashes(scene, calls, made))


def test_the_order_is_the_documented_one(scene):
    """docs/reliability.md: a shard, its line, side files, folders, the manifest, the rename."""
    seen = []
    for call in recorded(scene.root, scene.records, *scene.fuse()):
        name = "folder" if Path(call.path).name.startswith("out.partial-") else Path(call.path).name.split(".partial-")[0]
        if call.name == "sync" or call.name == "rename" and call.other == str(scene.out):
            seen.append((call.name, name))
        elif call.name == "write" and name == "contourfuse.journal":
            line = re.search(rb'"shard":"([^"]+)"', call.data)
            seen.append(("line of", line[1].decode() if line else "the run"))
        elif call.name == "unlink":
            seen.append(("unlink", name))
    shards = sorted(path.name for path in (scene.root / "base").glob("*.safetensors"))
    expected = [("line of", "the run"), ("sync", "contourfuse.journal"), ("sync", "folder")]
    for shard in shards:
        expected += [("sync", shard), ("line of", shard), ("sync", "contourfuse.journal")]
    assert seen[: len(expected)] == expected
    rest = [name for what, name in seen[len(expected) :] if what == "sync"]
    manifest = rest.index("contourfuse.json")
    side_files = {path.name for path in (scene.root / "base").rglob("*") if path.is_file()} - set(shards) - {".hidden"}
    assert set(rest[:manifest]) == side_files | {"assets", "folder"} and rest[manifest - 1] == "folder", rest
    assert rest[manifest + 1 :] == ["folder", "assets", "folder", "disk"], rest
    ends = [event for event in seen if event[0] in ("unlink", "rename")]
    assert ends == [("unlink", "contourfuse.journal"), ("rename", "folder")] and seen[-1] == ("sync", "disk"), seen


@pytest.mark.parametrize("durability", ["full", "none"])
def test_resume_goes_on_from_any_state(scene, durability):
    """Whatever the journal says of a shard, without durability its bytes may not have come to the disk."""
    words = scene.fuse("--durability", durability)
    calls, made = scene.undisturbed(*words)
    disk = Disk(scene.root, scene.start).replay(calls)
    generator = seeded()
    unfinished = {}
    for _, state in states(disk, generator):
        journals = [content for name, content in state.items() if name.endswith("/contourfuse.journal")]
        if below(state, "out") is None and any(journal.count(b"\n") > 1 for journal in journals):
            unfinished.setdefault(repr(sorted(state.items())), state)
    assert len(unfinished) > RESUMES / 2
    for state in generator.sample(list(unfinished.values()), min(RESUMES, len(unfinished))):
        scene.put(state)
        run(*words, "--resume", expect=DONE)
        assert not different(scene.check_now(made, partials=False), made)


@pytest.mark.parametrize("durability", ["full", "none"])
def test_resume_syncs_what_it_keeps(scene, durability):
    """A killed run's shards may be in the page cache alone, and its journal too."""
    calls, made = scene.undisturbed(*scene.fuse("--durability", durability))
    for number in range(20, len(calls), 12):
        killed = recorded(scene.root, scene.records, *scene.fuse("--durability", durability), rules=[f"do=before nth={number}"], expect=KILLED)
        resumed = recorded(scene.root, scene.records, *scene.fuse("--resume"))
        assert not list(crashes(scene, killed + resumed, made)), number
        scene.reset()
