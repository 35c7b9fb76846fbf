"""Room is asked for before the first byte, with the amount that is needed; what is there already needs none."""

import os
import re
import shutil
import subprocess

import pytest

from e2e.program import BAD_INPUT, DONE, FAILED, refusal, run, run_json

from .disk_model import tree
from .preloaded import KILLED, recorded, run_with
from .scene import below, different, fill

PAGE = 4096


def numbers(error):
    """(needed, free) of an error."""
    assert error["kind"] == "io-no-space", error
    found = re.search(r"takes (\d+) bytes, and (\d+) are free", error["message"])
    assert found, error
    return int(found[1]), int(found[2])


def on(scene, disk, *more):
    """The words of a fuse to a small disk."""
    return ["fuse", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", disk / "out", "--threads", 1, *more]


def changes(watch, scene, *words, expect):
    """Calls that change what has a name: whether the filesystem clones is tried with a file that has none."""
    return [call for call in recorded(watch, scene.records, *words, expect=expect) if not call.path.endswith(" (deleted)")]


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_gets_no_byte(scene, small_disk):
    fill(small_disk, 4 * PAGE)
    error = refusal(*on(scene, small_disk), expect=FAILED)
    needed, free = numbers(error)
    assert free == 4 * PAGE and error["file"] == str(small_disk) and error["hint"], error
    assert changes(small_disk, scene, *on(scene, small_disk), expect=FAILED) == [] and os.listdir(small_disk) == ["rest"]
    fill(small_disk, (needed - 1) // PAGE * PAGE)
    assert numbers(refusal(*on(scene, small_disk), expect=FAILED))[0] == needed, "a page short"


def test_the_amount_is_enough_and_no_more_than_a_little(scene, small_disk):
    fill(small_disk, PAGE)
    needed, _ = numbers(refusal(*on(scene, small_disk), expect=FAILED))
    fill(small_disk, needed + PAGE)
    run(*on(scene, small_disk), expect=DONE)
    run("verify", small_disk / "out", expect=DONE)
    files = sum(1 for path in (small_disk / "out").rglob("*") if path.is_file())
    # Blocks that are not full, and a bound of what the documents take.
    assert bytes_below(small_disk / "out") <= needed < bytes_below(small_disk / "out") + (files + 16) * PAGE


def test_a_replacement_needs_room_beside_the_old_output(scene, small_disk):
    run(*on(scene, small_disk), expect=DONE)
    old = tree(small_disk / "out")
    fill(small_disk, 4 * PAGE)
    numbers(refusal(*on(scene, small_disk, "--overwrite", "--alpha", "0.5"), expect=FAILED))
    assert not different(tree(small_disk / "out"), old) and sorted(os.listdir(small_disk)) == ["out", "rest"]


def test_what_is_kept_needs_no_room(scene, small_disk):
    calls = recorded(small_disk, scene.records, *on(scene, small_disk))
    made = tree(small_disk / "out")
    shutil.rmtree(small_disk / "out")
    third = next(number for number, call in enumerate(calls, 1) if call.name == "write" and "model-00003" in call.path)
    fill(small_disk, PAGE)
    whole, _ = numbers(refusal(*on(scene, small_disk), expect=FAILED))
    fill(small_disk, whole + PAGE)
    run_with(small_disk, [f"do=after nth={third}"], *on(scene, small_disk), expect=KILLED)

    fill(small_disk, 0)
    partial = next(small_disk.glob("out.partial-*"))
    rest, _ = numbers(refusal(*on(scene, small_disk, "--resume"), expect=FAILED))
    kept = sum((partial / f"model-0000{n}-of-00003.safetensors").stat().st_size for n in (1, 2))
    assert whole - kept - 2 * PAGE <= rest <= whole - kept, "finished shards stay, and are not asked for again"

    fill(small_disk, rest + PAGE)
    dry = on(scene, small_disk, "--dry-run")
    numbers(refusal(*dry, expect=BAD_INPUT))
    run(*dry, "--resume", expect=DONE)
    assert run_json(*on(scene, small_disk, "--resume"))["kept_shards"] == 2
    assert not different(tree(small_disk / "out"), made)


def test_a_dry_run_says_that_it_could_not_start(scene, small_disk):
    dry = on(scene, small_disk, "--dry-run")
    run(*dry, expect=DONE)
    run(*[word for word in dry if word not in ("--output", small_disk / "out")], expect=DONE)
    fill(small_disk, PAGE)
    numbers(refusal(*dry, expect=BAD_INPUT))
    assert changes(small_disk, scene, *dry, expect=BAD_INPUT) == []
    error = refusal(*on(scene, small_disk / "nowhere", "--dry-run"), expect=BAD_INPUT)
    assert error["kind"] == "output-parent-missing", error


def test_an_output_named_with_a_slash(scene, small_disk):
    words = [f"{word}/" if word == small_disk / "out" else word for word in on(scene, small_disk)]
    fill(small_disk, PAGE)
    assert numbers(refusal(*words, expect=FAILED))[1] == PAGE
    fill(small_disk, 1 << 20)
    run(*words, expect=DONE)


@pytest.mark.parametrize("command", ["generate", "synth"])
def test_other_commands_ask_too(scene, small_disk, command):
    words = {
        "generate": ["generate", "--base-model", scene.root / "base", "--output-dir", small_disk / "out"],
        "synth": ["synth", "--like", "llama", "--scale", "1/64", "--layers", 1, "--output", small_disk / "out"],
    }[command]
    fill(small_disk, PAGE)
    needed, _ = numbers(refusal(*words, expect=FAILED))
    assert changes(small_disk, scene, *words, expect=FAILED) == [] and os.listdir(small_disk) == ["rest"]
    if command == "generate":
        run(*words, "--recipe-only", expect=DONE)
        shutil.rmtree(small_disk / "out")
        fill(small_disk, needed + 6 * PAGE)
        run(*words, expect=DONE)
    else:
        fill(small_disk, 16 * PAGE)
        assert needed > 16 * PAGE
        run(*words, "--sparse", expect=DONE)  # holes take no room


def test_an_undo_file_needs_room(scene, small_disk):
    undo = small_disk / "undo"
    words = ["fuse", "--model", scene.root / "base", "--weights", scene.root / "stored", "--in-place", "--undo", undo, "--threads", 1]
    run(*words, "--dry-run", expect=DONE)
    fill(small_disk, PAGE)
    error = refusal(*words, expect=FAILED)
    needed, free = numbers(error)
    assert free == PAGE and error["file"] == str(small_disk), error
    assert numbers(refusal(*words, "--dry-run", expect=BAD_INPUT)) == (needed, free)
    assert changes(scene.root, scene, *words, expect=FAILED) == [] and tree(scene.root) == scene.start
    assert changes(small_disk, scene, *words, expect=FAILED) == [] and os.listdir(small_disk) == ["rest"]

    fill(small_disk, needed + PAGE)
    run_with(scene.root, ["do=before names=rename"], *words, expect=KILLED)
    assert undo.stat().st_size == needed
    fill(small_disk, 0)
    run(*words, "--dry-run", expect=DONE)
    run(*words, expect=DONE)  # the undo file that is there is used
    run("undo", undo, expect=DONE)
    assert below(tree(scene.root), "base") == below(scene.start, "base")


def test_a_filesystem_that_keeps_no_count(scene, tmp_path):
    """ramfs says of nothing how much there is."""
    folder = tmp_path / "ramfs"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "ramfs", "none", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
    try:
        run(*on(scene, folder), expect=DONE)
    finally:
        subprocess.run(["umount", folder], check=True)
