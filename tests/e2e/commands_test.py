"""The other commands and both original command lines: documents, exit codes, what they find."""

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from oracle.numerics import Settings, block_dot
from oracle.tensors import list_tensors, read_header, read_tensor, shard_names

from .comparison import fuse, shard_hashes
from .program import BAD_INPUT, DONE, FAILED, USAGE, program_path, refusal, run, run_json, snapshot


@pytest.fixture(scope="module")
def fused(tmp_path_factory, base, stored):
    output = tmp_path_factory.mktemp("fused") / "out"
    fuse(base, stored, output, Settings(alpha=1.0, gamma_cap=0.5))
    return output


@pytest.mark.parametrize("how", ["subcommands", "links"])
def test_the_original_command_lines(tmp_path, base, how):
    names = {name: ([], program_path()) if how == "links" else ([name], None) for name in ("weights", "applyweights")}
    if how == "links":
        for name in names:
            (tmp_path / name).symlink_to(os.path.abspath(program_path()))
            names[name] = ([], tmp_path / name)
    words, program = names["weights"]
    run(*words, "--base-model", base, "--output-dir", tmp_path / "generated_weights", "--seed", "42", program=program, expect=DONE)
    words, program = names["applyweights"]
    apply = [*words, "--model", base, "--weights", tmp_path / "generated_weights", "--output", tmp_path / "fused", "--alpha", "0.02", "--gamma-cap", "0.05"]
    run(*apply, "--dry-run", program=program, expect=DONE)
    assert not (tmp_path / "fused").exists()
    run(*apply, program=program, expect=DONE)
    fuse(base, tmp_path / "generated_weights", tmp_path / "ours")
    assert shard_hashes(tmp_path / "fused") == shard_hashes(tmp_path / "ours")
    selected = [*apply[:-6], "--output", tmp_path / "some", "--layers", "0", "5"]
    run(*selected, program=program, expect=DONE)
    manifest = json.loads((tmp_path / "some" / "contourfuse.json").read_text())
    assert manifest["selected_layers"] == [0, 5]


def test_verify_accepts_what_was_made(fused, base, stored):
    for more in ([], ["--base", base], ["--base", base, "--weights", stored, "--recompute"]):
        run("verify", fused, *more, expect=DONE)


def test_verify_finds_every_flipped_byte(tmp_path, fused):
    copy = tmp_path / "copy"
    shutil.copytree(fused, copy)
    rng = np.random.default_rng(5)
    for path in sorted(p for p in copy.rglob("*") if p.is_file()):
        content = bytearray(path.read_bytes())
        name = str(path.relative_to(copy))
        for at in {0, len(content) - 1, *rng.integers(0, len(content), 10).tolist()}:
            changed = bytearray(content)
            changed[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            problems = run("verify", copy, "--json", expect=FAILED).document["problems"]
            assert {problem["file"] for problem in problems} == {name}, (name, at, problems)
        path.write_bytes(content)
    run("verify", copy, expect=DONE)


def test_verify_names_the_tensor(tmp_path, fused, base):
    copy = tmp_path / "copy"
    shutil.copytree(fused, copy)
    name = "model.layers.0.mlp.gate_proj.weight"
    entry = list_tensors(copy)[name]
    data = bytearray((copy / entry.file).read_bytes())
    data[len(data) - os.path.getsize(copy / entry.file) + read_header(copy / entry.file)[1] + entry.begin + 8] ^= 1
    (copy / entry.file).write_bytes(data)
    outcome = run("verify", copy, "--base", base, expect=FAILED)
    assert name in outcome.out + outcome.err


def test_verify_finds_missing_and_added_files(tmp_path, fused):
    for name in ("tokenizer.json", shard_names(fused)[0]):
        copy = tmp_path / name
        shutil.copytree(fused, copy)
        (copy / name).unlink()
        outcome = run("verify", copy)
        assert outcome.code in (FAILED, BAD_INPUT) and name in outcome.out + outcome.err
    copy = tmp_path / "added"
    shutil.copytree(fused, copy)
    (copy / "added.bin").write_bytes(b"x")
    outcome = run("verify", copy)
    assert "added.bin" in outcome.out + outcome.err
    assert run("verify", tmp_path / "nothing").code in (FAILED, BAD_INPUT)


def test_verify_without_a_manifest(base):
    assert run("verify", base).code == FAILED


def test_recompute_finds_what_hashes_cannot(tmp_path, base, stored, fused):
    """Another delta was used than the one named."""
    run("generate", "--base-model", base, "--output-dir", tmp_path / "other", "--seed", "1", expect=DONE)
    run("verify", fused, "--base", base, "--weights", tmp_path / "other", "--recompute", expect=FAILED)


def test_inspect_a_checkpoint(base, layout, fused):
    shown = run_json("inspect", base)
    assert shown["kind"] == "checkpoint" and shown["family"] == "gemma4_text" and shown["activation"] == "gelu_pytorch_tanh"
    tensors = list_tensors(base)
    assert shown["tensor_bytes"] == sum(e.end - e.begin for e in tensors.values())
    assert shown["mlp_bytes"] == 6 * 3 * 40 * 100 * 2
    assert shown["shards"] == [
        {"file": s, "bytes": os.path.getsize(base / s), "tensors": len(read_header(base / s)[0])} for s in shard_names(base)
    ]
    assert shown["layers"][5] == {
        "layer": 5, "kind": "global", "hidden_size": 40, "intermediate_size": 100, "double_wide": False,
        "gate": layout.tensor_name(5, "gate"), "up": layout.tensor_name(5, "up"), "down": layout.tensor_name(5, "down"),
    }
    assert run_json("inspect", fused)["layers"] == shown["layers"]


def test_inspect_a_file(base):
    path = base / shard_names(base)[0]
    shown = run_json("inspect", path)
    assert shown["kind"] == "file" and shown["metadata"] == {"format": "pt"}
    entries, _ = read_header(path)
    assert sorted(shown["tensors"], key=lambda t: t["name"]) == sorted(
        ({"name": e.name, "dtype": e.dtype, "shape": list(e.shape), "begin": e.begin, "end": e.end} for e in entries), key=lambda t: t["name"]
    )


def test_diff_finds_exactly_the_edited_tensors(base, fused):
    manifest = json.loads((fused / "contourfuse.json").read_text())
    shown = run_json("diff", base, fused)
    assert {t["name"] for t in shown["tensors"]} == {e["name"] for e in manifest["edited"]}
    records = {m["name"]: m for m in manifest["matrices"]}
    for tensor in shown["tensors"]:
        record = records[tensor["name"]]
        assert tensor["changed"] == record["changed"]
        assert (tensor["drift"], tensor["cosine"], tensor["max_change"]) == (record["drift"], record["cosine"], record["max_change"])
    name = shown["tensors"][0]["name"]
    a = read_tensor(base, list_tensors(base)[name]).astype(np.float64)
    b = read_tensor(fused, list_tensors(fused)[name]).astype(np.float64)
    assert shown["tensors"][0]["drift"] == (block_dot(b - a, b - a) / block_dot(a, a)) ** 0.5
    everything = run_json("diff", base, fused, "--all")
    assert len(everything["tensors"]) == len(list_tensors(base))
    assert run_json("diff", base, base)["tensors"] == []


def test_the_safetensors_library_reads_the_output(base, fused):
    for shard in shard_names(fused):
        ours, theirs = load_file(fused / shard), load_file(base / shard)
        assert {k: (v.shape, v.dtype) for k, v in ours.items()} == {k: (v.shape, v.dtype) for k, v in theirs.items()}


@pytest.mark.parametrize("like", ["31b", "26b-a4b", "e4b", "e2b", "12b", "llama"])
def test_synth_makes_what_it_names(tmp_path, like):
    output = tmp_path / like
    run("synth", "--like", like, "--output", output, "--layers", "7", "--scale", "1/64", expect=DONE)
    shown = run_json("inspect", output)
    assert len(shown["layers"]) == 7
    assert shown["tensor_bytes"] == sum(e.end - e.begin for e in list_tensors(output).values())
    for shard in shard_names(output):
        load_file(output / shard)
    run("generate", "--base-model", output, "--output-dir", tmp_path / "delta", "--recipe-only", expect=DONE)
    document = fuse(output, tmp_path / "delta", tmp_path / "out")
    assert len(document["matrices"]) == 14


def test_synth_repeats_itself(tmp_path):
    for name, threads in (("a", 1), ("b", 3)):
        run("synth", "--like", "llama", "--output", tmp_path / name, "--layers", "2", "--scale", "1/64", "--threads", threads, expect=DONE)
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_devices(tmp_path):
    outcome = run("devices", expect=DONE)
    assert "cpu" in outcome.out.lower()
    json.loads(run("devices", "--json", expect=DONE).out)


def test_usage():
    assert run().code == USAGE
    assert run("no-such-command").code == USAGE
    assert run("fuse").code == USAGE
    commands = "neurons generate fuse verify inspect diff synth devices weights applyweights".split()
    text = run("--help", expect=DONE).out
    for command in commands:
        assert command in text
        shown = run(command, "--help", expect=DONE).out
        assert "contourfuse" in shown or command in shown
        assert run(command, "--no-such-flag").code == USAGE


def test_quiet_and_plain_output(tmp_path, base, stored):
    arguments = ("fuse", "--model", base, "--weights", stored, "--output")
    quiet = run(*arguments, tmp_path / "a", "--quiet", expect=DONE)
    assert quiet.out == ""
    plain = run(*arguments, tmp_path / "b", expect=DONE)
    assert "\x1b" not in plain.out + plain.err and "\r" not in plain.out + plain.err


def test_lost_edits_are_told(tmp_path, example):
    # At the defaults almost every edit of the trained model's down_proj is lost in bf16; a person is told, and told what to do.
    run("generate", "--base-model", example, "--output-dir", tmp_path / "delta", "--recipe-only", expect=DONE)
    plain = run("fuse", "--model", example, "--weights", tmp_path / "delta", "--output", tmp_path / "fused", expect=DONE)
    text = (plain.out + plain.err).lower()
    assert "were lost to rounding" in text and "--alpha" in text and "stochastic" in text
    large = run("fuse", "--model", example, "--weights", tmp_path / "delta", "--output", tmp_path / "large", "--alpha", 32, "--gamma-cap", 25, expect=DONE)
    text = (large.out + large.err).lower()
    assert "were lost to rounding" not in text
    assert "a larger one changes nothing" in text



def test_a_gamma_beyond_the_delta_is_said(tmp_path, base, stored):
    outcome = run("fuse", "--model", base, "--weights", stored, "--output", tmp_path / "out", "--gamma-cap", "1e6", expect=DONE)
    assert "gamma" in (outcome.out + outcome.err).lower() and "larger" in (outcome.out + outcome.err).lower()


@pytest.mark.parametrize("damage", ["short", "long", "bom", "twice", "not json", "no config", "fifo"])
def test_damaged_checkpoints(tmp_path, base, stored, damage):
    model = tmp_path / "model"
    shutil.copytree(base, model)
    shard, config = model / shard_names(base)[0], model / "config.json"
    if damage == "short":
        shard.write_bytes(shard.read_bytes()[:5])
    elif damage == "long":
        shard.write_bytes(shard.read_bytes() + b"\0")
    elif damage == "bom":
        config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    elif damage == "twice":
        config.write_text(config.read_text().replace('"model_type"', '"model_type": "x", "model_type"', 1))
    elif damage == "not json":
        config.write_text("{")
    elif damage == "no config":
        config.unlink()
    else:
        shard.unlink()
        os.mkfifo(shard)
    error = refusal("fuse", "--model", model, "--weights", stored, "--output", tmp_path / "out")
    assert (shard.name if damage in ("short", "long", "fifo") else "config.json") in error["file"] + error["message"]
    assert not (tmp_path / "out").exists()
