"""Compares a fused checkpoint, its document and its manifest with the oracle, bit by bit and field by field."""

import json
import os

import xxhash

from oracle.fuse import fuse_checkpoint
from oracle.numerics import Settings
from oracle.tensors import list_tensors, read_bytes, read_header, shard_names

from .program import run_json

DOCUMENT_KEYS = {
    "schema", "version", "dry_run", "model", "weights", "output", "parameters", "architecture",
    "selected_layers", "coverage", "matrices", "totals", "bytes", "seconds",
}


def flags(settings):
    """The command line of settings that are not the defaults."""
    words = []
    for name, default in vars(Settings()).items():
        value = getattr(settings, name)
        if value != default:
            words += [f"--{name.replace('_', '-')}", repr(value) if isinstance(value, float) else str(value)]
    return words


def fuse(base, delta, output, settings=Settings(), *more):
    """Runs `fuse --json`; gives its document."""
    return run_json("fuse", "--model", base, "--weights", delta, "--output", output, *flags(settings), *more)


def assert_records_equal(got, want):
    """Every field of every record, the numbers to the last bit; a field of ours alone may only be null."""
    assert [r["name"] for r in got] == [r["name"] for r in want]
    for ours, theirs in zip(got, want):
        wrong = {k: (ours.get(k, "absent"), v) for k, v in theirs.items() if ours.get(k, "absent") != v}
        assert not wrong, f"{theirs['name']}: (program, oracle) {wrong}"
        extra = {k: v for k, v in ours.items() if k not in theirs and v is not None}
        assert not extra, f"{theirs['name']}: {extra}"


def assert_fused(document, base, delta, output, settings=Settings(), layers=None):
    """Everything there is to compare; gives the oracle's records."""
    fused, records, totals = fuse_checkpoint(str(base), str(delta), settings, layers)
    assert records, "the oracle found nothing to fuse: the test is wrong"
    assert_records_equal(document["matrices"], records)
    wrong = {k: (document["totals"].get(k), v) for k, v in totals.items() if document["totals"].get(k) != v}
    assert not wrong, f"totals: (program, oracle) {wrong}"

    edited = {}
    for shard in shard_names(base):
        with open(os.path.join(base, shard), "rb") as file:
            length = file.read(8)
            head = length + file.read(int.from_bytes(length, "little"))
        with open(os.path.join(output, shard), "rb") as file:
            assert file.read(len(head)) == head, shard
        assert os.path.getsize(os.path.join(base, shard)) == os.path.getsize(os.path.join(output, shard))
    for name, entry in list_tensors(base).items():
        before, after = read_bytes(base, entry), read_bytes(output, entry)
        want = fused[name].tobytes() if name in fused else before
        if after != want:
            size = fused[name].itemsize if name in fused else 1
            places = [i for i in range(0, len(want), size) if after[i : i + size] != want[i : i + size]]
            raise AssertionError(f"{name}: {len(places)} of {len(want) // size} elements differ, the first at {places[0] // size}")
        if after != before:
            edited[name] = xxhash.xxh3_128_hexdigest(after)
    assert_manifest(document, output, edited)
    return records


def assert_manifest(document, output, edited):
    """contourfuse.json repeats the document and lists the hashes of what lies in the folder."""
    with open(os.path.join(output, "contourfuse.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    same = DOCUMENT_KEYS - {"seconds", "output", "dry_run", "bytes"}
    assert {k: manifest[k] for k in same} == {k: document[k] for k in same}
    assert "seconds" not in manifest
    assert set(manifest["bytes"]) == {"read", "written", "delta_read"}
    assert manifest["bytes"]["written"] == sum(shard["bytes"] for shard in manifest["shards"])
    assert os.fspath(os.path.abspath(output)) not in json.dumps(manifest)
    assert {e["name"]: e["xxh3_128"] for e in manifest["edited"]} == edited
    assert set(os.listdir(output)) >= {f["name"] for f in manifest["shards"]}
    listed = manifest["shards"] + manifest["files"]
    present = {
        os.path.relpath(os.path.join(folder, file), output)
        for folder, _, files in os.walk(output)
        for file in files
    } - {"contourfuse.json"}
    assert {f["name"] for f in listed} == present
    for entry in listed:
        with open(os.path.join(output, entry["name"]), "rb") as file:
            content = file.read()
        assert (entry["bytes"], entry["xxh3_128"]) == (len(content), xxhash.xxh3_128_hexdigest(content)), entry["name"]


def shard_hashes(folder):
    """Shard name -> digest, to compare two outputs."""
    return {s: xxhash.xxh3_128_hexdigest(open(os.path.join(folder, s), "rb").read()) for s in shard_names(folder)}


def header_names(folder, shard):
    return [entry.name for entry in read_header(os.path.join(folder, shard))[0]]
