"""What a run leaves on the disk: the same headers and side files, nothing elsewhere, and nothing at all when refused."""

import json
import os
import shutil

import pytest

from oracle.numerics import Settings
from oracle.tensors import shard_names

from .comparison import DOCUMENT_KEYS, assert_fused, fuse, shard_hashes
from .program import BAD_INPUT, DONE, USAGE, refusal, run, run_json, snapshot


def arguments(base, delta, output):
    return ("fuse", "--model", base, "--weights", delta, "--output", output)


def test_sources_stay_and_side_files_are_copied(tmp_path, base, delta):
    before = snapshot(base), snapshot(delta)
    output = tmp_path / "place" / "out"
    output.parent.mkdir()
    fuse(base, delta, output)
    assert (snapshot(base), snapshot(delta)) == before
    assert os.listdir(output.parent) == ["out"]
    after = snapshot(output)
    shards = set(shard_names(base))
    for name, content in before[0].items():
        if name in shards or name == "README.md":
            continue
        if name.startswith("."):
            assert name not in after
        else:
            assert after.pop(name) == content, name
    assert set(after) == shards | {"README.md", "contourfuse.json"}


def test_the_model_card_says_what_was_done(tmp_path, base, delta):
    fuse(base, delta, tmp_path / "out", Settings(alpha=0.125))
    card = (tmp_path / "out" / "README.md").read_text()
    head = card.split("---")[1]
    assert "license: mit" in head and "base_model:" in head
    assert "# A model" in card and "0.125" in card
    fuse(base, delta, tmp_path / "plain", Settings(), "--no-model-card")
    assert (tmp_path / "plain" / "README.md").read_bytes() == (base / "README.md").read_bytes()


def test_equal_runs_make_equal_manifests(tmp_path, base, delta):
    fuse(base, delta, tmp_path / "a")
    fuse(base, delta, tmp_path / "b", Settings(), "--threads", "1")
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_a_fused_checkpoint_can_be_fused_again(tmp_path, base, delta):
    fuse(base, delta, tmp_path / "once", Settings(alpha=1.0))
    document = fuse(tmp_path / "once", delta, tmp_path / "twice", Settings(alpha=1.0))
    assert_fused(document, tmp_path / "once", delta, tmp_path / "twice", Settings(alpha=1.0))


def test_a_dry_run_writes_nothing(tmp_path, base, delta):
    before = snapshot(base), snapshot(delta)
    wet = fuse(base, delta, tmp_path / "wet")
    dry = run_json(*arguments(base, delta, tmp_path / "dry"), "--dry-run")
    assert not (tmp_path / "dry").exists() and sorted(os.listdir(tmp_path)) == ["wet"]
    assert (snapshot(base), snapshot(delta)) == before
    assert dry["dry_run"] is True and wet["dry_run"] is False
    for document in (dry, wet):
        assert document["schema"] == "contourfuse.fuse/1"
        assert DOCUMENT_KEYS - {"seconds"} <= set(document) <= DOCUMENT_KEYS
        assert set(document["architecture"]) == {"family", "layers", "hidden_size", "activation"}
        assert set(document["coverage"]) == {"missing_keys", "unknown_keys", "partial", "index_problems"}
        assert set(document["bytes"]) == {"read", "written", "cloned", "delta_read"}
    for key in ("schema", "version", "model", "weights", "parameters", "architecture", "selected_layers", "coverage"):
        assert dry[key] == wet[key], key
    assert wet["architecture"] == {"family": "gemma4_text", "layers": 6, "hidden_size": 40, "activation": "gelu_pytorch_tanh"}
    shapes = ("name", "layer", "kind", "role", "shard", "dtype", "delta_dtype", "shape", "covered_shape", "double_wide")
    assert [[m[k] for k in shapes] for m in dry["matrices"]] == [[m[k] for k in shapes] for m in wet["matrices"]]


def test_a_dry_run_that_could_not_start(tmp_path, base):
    assert run(*arguments(base, tmp_path / "no", tmp_path / "out"), "--dry-run").code == BAD_INPUT


def test_bytes_are_those_of_the_files(tmp_path, base, stored, recipe):
    shards = sum(os.path.getsize(base / s) for s in shard_names(base))
    document = fuse(base, stored, tmp_path / "stored")
    assert document["bytes"]["written"] + document["bytes"]["cloned"] == shards and document["bytes"]["read"] >= shards
    assert document["bytes"]["delta_read"] > 0
    assert fuse(base, recipe, tmp_path / "recipe")["bytes"]["delta_read"] == 0


@pytest.mark.parametrize("place", ["model", "in model", "around model", "delta", "in delta", "link to model", "link into model", "exists", "file"])
def test_an_output_in_the_wrong_place(tmp_path, base, delta, place):
    model, weights = tmp_path / "m" / "model", tmp_path / "d" / "delta"
    shutil.copytree(base, model)
    shutil.copytree(delta, weights)
    (tmp_path / "link").symlink_to(model)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    output = {
        "model": model,
        "in model": model / "out",
        "around model": tmp_path / "m",
        "delta": weights,
        "in delta": weights / "a" / "out",
        "link to model": tmp_path / "link",
        "link into model": tmp_path / "link" / "out",
        "exists": tmp_path / "taken",
        "file": tmp_path / "file",
    }[place]
    before = snapshot(tmp_path)
    refusal(*arguments(model, weights, output))
    assert snapshot(tmp_path) == before
    if place not in ("exists", "file"):
        refusal(*arguments(model, weights, output), "--overwrite")
        assert snapshot(tmp_path) == before


def test_overwrite_replaces_the_whole_folder(tmp_path, base, delta):
    output = tmp_path / "out"
    fuse(base, delta, output, Settings(alpha=1.0))
    (output / "extra.txt").write_text("stale")
    first = shard_hashes(output)
    document = fuse(base, delta, output, Settings(alpha=2.0), "--overwrite")
    assert_fused(document, base, delta, output, Settings(alpha=2.0))
    assert shard_hashes(output) != first and not (output / "extra.txt").exists()
    assert os.listdir(tmp_path) == ["out"]


def test_a_failed_run_leaves_nothing(tmp_path, base, delta):
    model = tmp_path / "model"
    shutil.copytree(base, model)
    shard = model / shard_names(base)[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    error = refusal(*arguments(model, delta, tmp_path / "out"))
    assert error["file"].endswith(shard.name)
    assert sorted(os.listdir(tmp_path)) == ["model"]


@pytest.mark.parametrize(
    "words",
    [
        ["--alpha", "nan"], ["--alpha", "inf"], ["--alpha", "x"], ["--gamma-cap", "-1"], ["--gamma-cap", "nan"],
        ["--variance-norm", "most"], ["--rounding", "up"], ["--rounding-seed", "-1"], ["--rounding-seed", "18446744073709551616"],
        ["--nonfinite", "skip"], ["--threads", "0"], ["--threads", "-2"], ["--no-such-flag"], ["--device", "abacus"],
    ],
    ids=" ".join,
)
def test_wrong_flags(tmp_path, base, delta, words):
    outcome = run(*arguments(base, delta, tmp_path / "out"), *words, expect=USAGE)
    assert outcome.err.startswith("contourfuse: error: ") and outcome.out == ""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("words", [["6"], ["4-9"], ["global-ish"], ["3-1"], ["1.5"], ["18446744073709551616"]], ids=" ".join)
def test_unknown_layers(tmp_path, base, delta, words):
    outcome = run(*arguments(base, delta, tmp_path / "out"), "--layers", *words)
    assert outcome.code in (USAGE, BAD_INPUT), outcome
    assert outcome.err.startswith("contourfuse: error: ")
    assert os.listdir(tmp_path) == []


def test_an_empty_selection(tmp_path, base, stored):
    partial = tmp_path / "delta"
    shutil.copytree(stored, partial)
    for layer in range(1, 6):
        (partial / f"delta-layer-{layer:05d}.safetensors").unlink()
    assert run(*arguments(base, partial, tmp_path / "out")).code == BAD_INPUT
    only = tmp_path / "only"
    run("generate", "--base-model", base, "--output-dir", only, "--layers", "0", expect=DONE)
    refusal(*arguments(base, only, tmp_path / "out"), "--layers", "3")
    assert not (tmp_path / "out").exists()


def test_index_against_shards(tmp_path, base, delta):
    def broken(name, change):
        model = tmp_path / name
        shutil.copytree(base, model)
        index = json.loads((model / "model.safetensors.index.json").read_text())
        change(index, model)
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        return model

    tensor = "model.layers.0.layer_scalar"
    fatal = {
        "absent": lambda index, _: index["weight_map"].update({"model.layers.0.extra": shard_names(base)[0]}),
        "missing": lambda index, _: index["weight_map"].update({"model.layers.0.extra": "model-00003-of-00002.safetensors"}),
        "escape": lambda index, _: index["weight_map"].update({tensor: "../model-00001-of-00002.safetensors"}),
        "absolute": lambda index, model: index["weight_map"].update({tensor: str(model / shard_names(base)[0])}),
    }
    for name, change in fatal.items():
        refusal(*arguments(broken(name, change), delta, tmp_path / "out"))
        assert not (tmp_path / "out").exists()
    warnings = {
        "unknown": lambda index, _: index["weight_map"].pop(tensor),
        "size": lambda index, _: index["metadata"].update({"total_size": 5}),
    }
    for name, change in warnings.items():
        model = broken(name, change)
        document = fuse(model, delta, tmp_path / f"out-{name}")
        assert len(document["coverage"]["index_problems"]) == 1, name
        assert_fused(document, model, delta, tmp_path / f"out-{name}")
