"""A fuse in place makes the bytes of a plain one, and can be taken back or finished wherever it was killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import xxhash
from safetensors.numpy import load_file

from oracle.exact import BF16, F16, F32
from oracle.numerics import Settings

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import DOCUMENT_KEYS, flags, fuse, shard_hashes
from .program import BAD_INPUT, DONE, FAILED, USAGE, program_path, refusal, run, run_json, snapshot


def in_place(model, delta, undo, *more, **options):
    return run_json("fuse", "--model", model, "--weights", delta, "--in-place", "--undo", undo, *more, **options)


def copy_of(base, folder):
    shutil.copytree(base, folder)
    return folder


def partial_delta(folder, layout):
    """Covers some rows, some columns, some of both, by role and layer."""
    cut = {}
    for number, (name, matrix) in enumerate(random_deltas(layout, roles=("gate", "down")).items()):
        rows, cols = matrix.shape
        cut[name] = np.ascontiguousarray([matrix, matrix[: rows // 2], matrix[:, : cols - 3], matrix[: rows - 1, : cols // 2]][number % 4])
    return write_foreign_delta(folder, cut)


@pytest.fixture(scope="module", params=["bf16", "f16", "f32"])
def odd(request, tmp_path_factory):
    """(base, delta) of every kind of coverage; shards end in the middle of a block."""
    folder = tmp_path_factory.mktemp("odd")
    layout = Layout(layers=4, hidden=131, width=517, dtype={"bf16": BF16, "f16": F16, "f32": F32}[request.param])
    base = write_checkpoint(folder / "base", layout, extra={"model.a_table.weight": np.arange(700_001, dtype=np.uint8)})
    return base, partial_delta(folder / "delta", layout)


WAYS = [
    [],
    ["--threads", "1"],
    ["--direct"],
    ["--io", "mmap"],
    ["--direct", "--io", "pread"],
    ["--direct", "--io", "mmap", "--rounding", "stochastic"],
    ["--io", "direct", "--durability", "none"],
    ["--rounding", "stochastic", "--rounding-seed", "7"],
    ["--variance-norm", "none"],
]


def test_the_folder_is_that_of_a_plain_fuse(tmp_path, odd):
    base, delta = odd
    before = snapshot(base)
    words = lambda way: [word for word in way if word not in ("1",) and not word.startswith("--threads")]
    for number, way in enumerate(WAYS):
        model, out, undo = tmp_path / f"model{number}", tmp_path / f"out{number}", tmp_path / f"undo{number}"
        copy_of(base, model)
        # The model's own path is in card and manifest: the plain fuse reads the same folder.
        run("fuse", "--model", model, "--weights", delta, "--output", out, "--alpha", "0.7", *words(way), expect=DONE)
        document = in_place(model, delta, undo, "--alpha", "0.7", *way)
        fused, plain = snapshot(model), snapshot(out)
        assert fused.pop(".hidden") == before[".hidden"]
        assert fused == plain, way
        assert document["in_place"] is True and document["undo"] == str(undo) and document["output"] == str(model)
        run("verify", model, "--base", base, expect=DONE)
        assert run_json("undo", undo)["restored"] == ["README.md"]
        assert snapshot(model) == before, way
        assert undo.exists()


def test_records_and_documents(tmp_path, base, recipe):
    model, undo = copy_of(base, tmp_path / "model"), tmp_path / "undo"
    settings = Settings(alpha=1.5, gamma_cap=0.5)
    document = in_place(model, recipe, undo, *flags(settings), "--layers", "1-3")
    assert set(document) == DOCUMENT_KEYS | {"in_place", "undo"}
    plain = fuse(base, recipe, tmp_path / "out", settings, "--layers", "1-3")
    assert document["matrices"] == plain["matrices"] and document["totals"] == plain["totals"]
    edited = sum(2 * matrix["elements"] for matrix in document["matrices"])
    assert document["bytes"]["written"] == edited and document["bytes"]["cloned"] == 0
    dry = in_place(copy_of(base, tmp_path / "other"), recipe, tmp_path / "none", *flags(settings), "--layers", "1-3", "--dry-run")
    assert dry["in_place"] is True and dry["bytes"]["written"] == edited
    assert not (tmp_path / "none").exists() and snapshot(tmp_path / "other") == snapshot(base)
    report = run_json("undo", undo, "--dry-run")
    assert report["dry_run"] is True and shard_hashes(model) == shard_hashes(tmp_path / "out")
    report = run_json("undo", undo)
    assert set(report) == {"schema", "dry_run", "undo", "model", "command", "tensors", "bytes", "restored", "removed", "seconds"}
    assert report["tensors"] == 6 and report["bytes"] == edited
    assert report["removed"] == ["contourfuse.json"] and report["model"] == str(model.resolve())
    assert report["command"][:2] == ["contourfuse", "fuse"]


def test_the_undo_file_is_a_safetensors_file_of_the_originals(tmp_path, base, delta):
    model, undo = copy_of(base, tmp_path / "model"), tmp_path / "undo.safetensors"
    document = in_place(model, delta, undo)
    originals = {name: tensor for path in base.glob("*.safetensors") for name, tensor in load_file(path).items()}
    kept = load_file(undo)
    assert kept.pop("file:README.md").tobytes() == (base / "README.md").read_bytes()
    assert set(kept) == {matrix["name"] for matrix in document["matrices"]}
    for name, tensor in kept.items():
        assert tensor.dtype == originals[name].dtype and tensor.tobytes() == originals[name].tobytes()
    text = undo.read_bytes()
    header = json.loads(text[8 : 8 + int.from_bytes(text[:8], "little")])
    record = json.loads(header["__metadata__"]["contourfuse.undo"])
    assert record["schema"] == "contourfuse.undo/1"
    for entry in record["ranges"]:
        assert entry["xxh3_128"] == xxhash.xxh3_128_hexdigest(kept[entry["tensor"]].tobytes())


def test_a_fused_model_is_fused_on_and_both_are_undone(tmp_path, base, delta, recipe):
    model = copy_of(base, tmp_path / "model")
    in_place(model, delta, tmp_path / "first", "--layers", "0-2")
    once = snapshot(model)
    in_place(model, recipe, tmp_path / "second", "--alpha", "2")
    run("verify", model, expect=DONE)
    manifest = json.loads((model / "contourfuse.json").read_text())
    for shard in manifest["base"]["shards"]:
        assert shard["xxh3_128"] == xxhash.xxh3_128_hexdigest(once[shard["file"]])
    assert refusal("undo", tmp_path / "first")["kind"] == "fused-again"
    run("undo", tmp_path / "second", expect=DONE)
    assert snapshot(model) == once
    run("undo", tmp_path / "first", expect=DONE)
    assert snapshot(model) == snapshot(base)


def test_a_fuse_that_cannot_be_done_leaves_the_model_as_it_was(tmp_path, layout):
    """Found in the last layer only, when others are written already."""

    def spoil(tensors):
        tensors[layout.tensor_name(layout.layers - 1, "down")][-1, -1] = np.float32(np.inf)

    model = write_checkpoint(tmp_path / "model", layout, edit=spoil)
    before = snapshot(model)
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout))
    undo = tmp_path / "undo"
    error = refusal("fuse", "--model", model, "--weights", delta, "--in-place", "--undo", undo)
    assert error["kind"] == "non-finite" and "put back" in error["hint"], error
    assert snapshot(model) == before and not undo.exists()
    in_place(model, delta, undo, "--nonfinite", "keep")


def test_contradictions_are_usage_errors(tmp_path, base, delta):
    words = ["fuse", "--model", base, "--weights", delta]
    place = ["--in-place", "--undo", tmp_path / "undo"]
    for more in (
        [*place, "--output", tmp_path / "out"],
        [*place, "--overwrite"],
        [*place, "--resume"],
        ["--in-place"],
        ["--in-place", "--undo", ""],
        ["--undo", tmp_path / "undo", "--output", tmp_path / "out"],
        ["--force", "--output", tmp_path / "out"],
    ):
        run(*words, *more, expect=USAGE)
    run("undo", expect=USAGE)
    assert os.listdir(tmp_path) == []


def test_what_must_not_change_is_refused(tmp_path, base, delta):
    model = copy_of(base, tmp_path / "model")
    before = snapshot(model)
    words = ["fuse", "--model", model, "--weights", delta, "--in-place", "--undo"]
    kind = lambda undo, *more: refusal(*words, undo, *more)["kind"]
    assert kind(model / "undo") == "undo-in-input"
    assert kind(tmp_path / "absent" / "undo") == "undo-parent-missing"
    (tmp_path / "taken").write_text("something else")
    assert refusal(*words, tmp_path / "taken", expect=BAD_INPUT)["kind"] in ("not-an-undo-file", "header-past-end", "file-too-short", "header-too-long")
    assert (tmp_path / "taken").read_text() == "something else"
    shutil.copytree(delta, model / "delta")
    inner = ["fuse", "--model", model, "--weights", model / "delta", "--in-place", "--undo", tmp_path / "undo"]
    assert refusal(*inner)["kind"] == "delta-in-model"
    shutil.rmtree(model / "delta")

    shard = next(model.glob("*.safetensors"))
    os.link(shard, tmp_path / "other name")
    assert kind(tmp_path / "undo") == "shard-hard-linked"
    (tmp_path / "other name").unlink()
    shard.rename(model / "moved")
    shard.symlink_to("moved")
    assert kind(tmp_path / "undo") == "shard-is-a-link"
    shard.unlink()
    (model / "moved").rename(shard)
    assert snapshot(model) == before and sorted(os.listdir(tmp_path)) == ["model", "taken"]

    cached = tmp_path / "hub" / "models--a--b" / "snapshots" / "0123"
    cached.parent.mkdir(parents=True)
    model.rename(cached)
    words[2] = cached
    assert kind(tmp_path / "undo") == "shard-in-hub-cache"
    assert snapshot(cached) == before
    run(*words, tmp_path / "undo", "--force", expect=DONE)
    run("undo", tmp_path / "undo", expect=DONE)
    assert snapshot(cached) == before


def test_another_run_is_told_of_the_undo_file(tmp_path, base, delta, recipe):
    model, undo = copy_of(base, tmp_path / "model"), tmp_path / "undo"
    in_place(model, delta, undo, "--alpha", "0.5")
    after = snapshot(model)
    words = lambda model, delta, *more: ["fuse", "--model", model, "--weights", delta, "--in-place", "--undo", undo, *more]
    for more in (
        words(model, delta),
        words(model, recipe, "--alpha", "0.5"),
        words(model, delta, "--alpha", "0.5", "--layers", "1"),
        words(model, delta, "--alpha", "0.5", "--rounding", "stochastic"),
        words(model, delta, "--alpha", "0.5", "--no-model-card"),
        words(copy_of(base, tmp_path / "sibling"), delta, "--alpha", "0.5"),
    ):
        assert refusal(*more)["kind"] == "undo-differs", more
    assert snapshot(model) == after
    # The same again: from the originals, to the same end.
    run(*words(model, delta, "--alpha", "0.5"), expect=DONE)
    assert snapshot(model) == after


def test_an_undo_file_of_another_model_is_refused(tmp_path, base, delta, layout):
    model, undo = copy_of(base, tmp_path / "model"), tmp_path / "undo"
    in_place(model, delta, undo)
    after = snapshot(model)
    other = write_checkpoint(tmp_path / "other", Layout(seed=99))
    theirs = snapshot(other)
    assert refusal("undo", undo, "--model", other)["kind"] == "not-the-model"
    assert snapshot(other) == theirs
    run("undo", undo, "--model", tmp_path / "nowhere", expect=BAD_INPUT)
    # A model that has moved is found by its new name.
    model.rename(tmp_path / "moved")
    assert refusal("undo", undo)["kind"] == "model-not-found"
    assert snapshot(tmp_path / "moved") == after
    run("undo", undo, "--model", tmp_path / "moved", expect=DONE)
    assert snapshot(tmp_path / "moved") == snapshot(base)


def test_any_flipped_byte_of_the_undo_file_is_found_before_anything_is_written(tmp_path, base, delta):
    model, undo = copy_of(base, tmp_path / "model"), tmp_path / "undo"
    in_place(model, delta, undo, "--layers", "5")
    after = snapshot(model)
    whole = undo.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    draw = random.Random(5)
    places = [0, 7, header, len(whole) - 1] + draw.sample(range(8, header), 12) + draw.sample(range(header, len(whole)), 6)
    for at in places:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << draw.randrange(8)
        undo.write_bytes(flipped)
        outcome = run("undo", undo)
        assert outcome.code in (FAILED, BAD_INPUT), (at, outcome)
        assert snapshot(model) == after, at
        if at >= header:
            assert "original bytes were changed" in outcome.err
    undo.write_bytes(whole[:-1])
    run("undo", undo, expect=BAD_INPUT)
    undo.write_bytes(whole)
    run("undo", undo, expect=DONE)
    assert snapshot(model) == snapshot(base)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """(base, delta, plain result of it): a few hundredths of a second of work."""
    folder = tmp_path_factory.mktemp("large")
    base, delta = folder / "base", folder / "delta"
    run("synth", "--like", "12b", "--output", base, "--scale", "1/8", "--layers", "4", "--max-shard-size", "20MB", expect=DONE)
    run("generate", "--base-model", base, "--output-dir", delta, "--recipe-only", expect=DONE)
    return base, delta


def start(*words):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "CONTOURFUSE"))} | {"HOME": "/nonexistent"}
    return subprocess.Popen([program_path(), *map(str, words)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_anywhere_it_can_be_undone_or_finished(tmp_path, large):
    base, delta = large
    seed = int(os.environ.get("CONTOURFUSE_SEED", "1"))
    draw = random.Random(seed)
    model, undo = tmp_path / "model", tmp_path / "undo"
    copy_of(base, model)
    original = snapshot(model)
    words = ["fuse", "--model", model, "--weights", delta, "--in-place", "--undo", undo, "--alpha", "3", "--threads", "2"]
    begin = time.monotonic()
    run(*words, expect=DONE)
    took = time.monotonic() - begin
    fused = snapshot(model)
    undone = ["undo", undo]
    run(*undone, expect=DONE)
    assert snapshot(model) == original
    seen = {"untouched": 0, "edited": 0, "finished": 0}
    for number in range(int(os.environ.get("CONTOURFUSE_KILLS", "12"))):
        undo.unlink(missing_ok=True)
        process = start(*words)
        # Every third one by SIGTERM, which ends in order.
        gentle = number % 3 == 2
        time.sleep(draw.random() * took * 1.1)
        process.send_signal(signal.SIGTERM if gentle else signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        killed = {name: content for name, content in snapshot(model).items() if ".partial-" not in name and name != "contourfuse.unfinished"}
        seen["untouched" if killed == original else "finished" if killed == fused else "edited"] += 1
        if gentle and process.returncode == FAILED and killed != original:
            assert b"contourfuse undo" in err, err
        if not undo.exists():
            assert killed == original, f"seed {seed}, {number}: changed without an undo file"
            continue
        if draw.random() < 0.5:
            # Killed while it is taken back, then taken back.
            process = start(*undone)
            time.sleep(draw.random() * took / 2)
            process.kill()
            process.communicate(timeout=60)
            run(*undone, expect=DONE)
            assert snapshot(model) == original, f"seed {seed}, {number}"
        else:
            run(*words, expect=DONE)
            assert snapshot(model) == fused, f"seed {seed}, {number}"
            run(*undone, expect=DONE)
        assert [name for name in os.listdir(tmp_path) if name.startswith("undo.partial")] == []
    print(seen)


def test_two_runs_on_one_model(tmp_path, large):
    base, delta = large
    model = copy_of(base, tmp_path / "model")
    process = start("fuse", "--model", model, "--weights", delta, "--in-place", "--undo", tmp_path / "a", "--limit-rate", "2MB")
    try:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("a.partial-*")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        words = ["fuse", "--model", model, "--weights", delta, "--in-place", "--undo", tmp_path / "b"]
        assert refusal(*words, expect=FAILED)["kind"] == "model-in-use"
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert snapshot(model) == snapshot(base)
    assert not (tmp_path / "b").exists()
    # What the killed one left for its undo file goes when that file is made again.
    assert list(tmp_path.glob("a.partial-*"))
    run("fuse", "--model", model, "--weights", delta, "--in-place", "--undo", tmp_path / "a", expect=DONE)
    assert not list(tmp_path.glob("a.partial-*"))
