"""Which tensors are edited: families, name forms, decoys, experts, the hub cache."""

import json
import os
import shutil

import numpy as np
import pytest

from oracle.exact import BF16, F16
from oracle.numerics import Settings

from .checkpoints import GEMMA_NAME, MLX_NAME, TEXT_NAME, Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import assert_fused, fuse
from .program import DONE, refusal, run, run_json, snapshot

SETTINGS = Settings(alpha=1.0, gamma_cap=0.5)


@pytest.mark.parametrize("name", [TEXT_NAME, GEMMA_NAME, MLX_NAME])
def test_name_forms_with_decoys(tmp_path, name):
    layout = Layout(layers=7, name=name, decoys=True, shards=3)
    base = write_checkpoint(tmp_path / "model", layout)
    delta = random_deltas(layout)
    vision = "model.vision_tower.encoder.layers.0.mlp.gate_proj.linear.weight"
    delta[vision] = delta[layout.tensor_name(0, "gate")]
    weights = write_foreign_delta(tmp_path / "delta", delta)
    document = fuse(base, weights, tmp_path / "out", SETTINGS)
    records = assert_fused(document, base, weights, tmp_path / "out", SETTINGS)
    assert len(records) == 14 and [r["kind"] for r in records if r["role"] == "gate" and r["layer"] in (5, 6)] == ["global", "global"]
    assert document["coverage"]["unknown_keys"] == [vision]
    shown = run_json("inspect", base)
    assert [e["gate"] for e in shown["layers"]] == [layout.tensor_name(n, "gate") for n in range(7)]
    run("generate", "--base-model", base, "--output-dir", tmp_path / "made", expect=DONE)
    fused = fuse(base, tmp_path / "made", tmp_path / "out2", SETTINGS)
    assert_fused(fused, base, tmp_path / "made", tmp_path / "out2", SETTINGS)


@pytest.mark.parametrize(
    "family,activation,extra,kinds",
    [
        ("llama", "silu", {}, "gggggg"),
        ("mistral", "silu", {"sliding_window": 4096}, None),
        ("qwen2", "silu", {"use_sliding_window": False, "sliding_window": None}, None),
        ("qwen3", "silu", {"layer_types": ["full_attention"] * 6}, "gggggg"),
        ("gemma2", "gelu_pytorch_tanh", {"layer_types": ["sliding_attention", "full_attention"] * 3}, "sgsgsg"),
        ("gemma3_text", "gelu_pytorch_tanh", {"sliding_window_pattern": 3}, "ssgssg"),
        ("gemma3_text", "gelu_pytorch_tanh", {}, "sssssg"),
    ],
)
def test_families(tmp_path, family, activation, extra, kinds):
    layout = Layout(layers=6, dtype=F16 if family == "llama" else BF16)
    base = write_checkpoint(tmp_path / "model", layout)
    key = "hidden_activation" if family.startswith("gemma") else "hidden_act"
    config = {"model_type": family, "hidden_size": 40, "intermediate_size": 100, "num_hidden_layers": 6, key: activation} | extra
    (base / "config.json").write_text(json.dumps(config))
    shown = run_json("inspect", base)
    assert shown["family"] == family and shown["activation"] == activation
    if kinds:
        assert [e["kind"] for e in shown["layers"]] == [{"g": "global", "s": "sliding"}[k] for k in kinds]
    run("generate", "--base-model", base, "--output-dir", tmp_path / "delta", expect=DONE)
    assert json.loads((tmp_path / "delta" / "delta.json").read_text())["activation"] == activation
    document = fuse(base, tmp_path / "delta", tmp_path / "out", SETTINGS)
    if kinds:
        assert_fused(document, base, tmp_path / "delta", tmp_path / "out", SETTINGS)


def test_dense_beside_experts_is_edited_and_said(tmp_path):
    layout = Layout(name=GEMMA_NAME, config={})
    experts = {}
    for n in range(layout.layers):
        experts[f"model.language_model.layers.{n}.experts.gate_up_proj"] = np.ones((4, 12, 40), BF16)
        experts[f"model.language_model.layers.{n}.experts.down_proj"] = np.ones((4, 40, 6), BF16)
    base = write_checkpoint(tmp_path / "model", layout, extra=experts)
    config = json.loads((base / "config.json").read_text())
    config["text_config"] |= {"enable_moe_block": True, "num_experts": 4, "moe_intermediate_size": 6}
    (base / "config.json").write_text(json.dumps(config))
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout))
    outcome = run("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "said", expect=DONE)
    assert "expert" in (outcome.out + outcome.err).lower()
    document = fuse(base, delta, tmp_path / "out", SETTINGS)
    assert_fused(document, base, delta, tmp_path / "out", SETTINGS)


def other_mlps(kind):
    """name -> tensor of one layer of a family whose MLPs are not plain."""
    small = lambda *shape: np.ones(shape, BF16)
    if kind == "phi3":
        return {"model.layers.{n}.mlp.gate_up_proj.weight": small(20, 8), "model.layers.{n}.mlp.down_proj.weight": small(8, 10)}
    if kind == "mixtral":
        return {f"model.layers.{{n}}.block_sparse_moe.experts.0.{w}.weight": small(10, 8) for w in ("w1", "w3")} | {
            "model.layers.{n}.block_sparse_moe.experts.0.w2.weight": small(8, 10)
        }
    return {f"model.layers.{{n}}.mlp.experts.0.{r}_proj.weight": small(10, 8) for r in ("gate", "up")} | {
        "model.layers.{n}.mlp.experts.0.down_proj.weight": small(8, 10)
    }


@pytest.mark.parametrize("kind", ["phi3", "mixtral", "qwen3_moe"])
def test_a_family_that_is_not_dense_is_named(tmp_path, kind):
    from safetensors.numpy import save_file

    base = tmp_path / "model"
    base.mkdir()
    tensors = {name.format(n=n): t for n in range(2) for name, t in other_mlps(kind).items()}
    save_file(tensors, base / "model.safetensors")
    (base / "config.json").write_text(json.dumps({"model_type": kind, "hidden_size": 8, "intermediate_size": 10, "num_hidden_layers": 2, "hidden_act": "silu"}))
    for command in (["generate", "--base-model", base, "--output-dir", tmp_path / "out"], ["fuse", "--model", base, "--weights", base, "--output", tmp_path / "out"]):
        error = refusal(*command)
        assert kind.split("_")[0] in error["message"].lower() + (error["hint"] or "").lower()
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["gate", "down"])
def test_a_layer_without_one_of_its_roles(tmp_path, layout, missing):
    def drop(tensors):
        del tensors[layout.tensor_name(2, missing)]

    base = write_checkpoint(tmp_path / "model", layout, drop)
    delta = write_foreign_delta(tmp_path / "delta", random_deltas(layout))
    outcome = run("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out")
    assert outcome.code in (DONE, 3), outcome
    if outcome.code != DONE:
        assert not (tmp_path / "out").exists() and outcome.err.startswith("contourfuse: error: ")


def hub_cache(tmp_path, base):
    """The hub's own layout: snapshots hold relative links into blobs."""
    repository = tmp_path / "hub" / "models--google--gemma-tiny"
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot_folder = repository / "snapshots" / commit
    snapshot_folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    for i, file in enumerate(sorted(p for p in base.iterdir() if p.is_file() and not p.name.startswith("."))):
        shutil.copy(file, repository / "blobs" / f"blob{i}")
        (snapshot_folder / file.name).symlink_to(f"../../blobs/blob{i}")
    return tmp_path / "hub", commit


@pytest.mark.parametrize("how", ["HF_HUB_CACHE", "HF_HOME", "revision"])
def test_a_hub_id_is_found_in_the_cache(tmp_path, base, delta, how):
    hub, commit = hub_cache(tmp_path, base)
    environment = {"HF_HUB_CACHE": str(hub)}
    more = []
    if how == "HF_HOME":
        environment = {"HF_HOME": str(tmp_path)}
    if how == "revision":
        more = ["--revision", commit]
    before = snapshot(hub)
    run("fuse", "--model", "google/gemma-tiny", "--weights", delta, "--output", tmp_path / "out", *more, environment=environment, expect=DONE)
    assert snapshot(hub) == before
    copied = snapshot(tmp_path / "out")
    assert copied["config.json"] == (base / "config.json").read_bytes()
    assert not any(p.is_symlink() for p in (tmp_path / "out").rglob("*"))
    plain = tmp_path / "plain"
    fuse(base, delta, plain)
    for shard in (p.name for p in base.glob("*.safetensors")):
        assert copied[shard] == (plain / shard).read_bytes()


def test_a_hub_id_that_is_not_there(tmp_path, delta):
    error = refusal("fuse", "--model", "google/gemma-4-31B-it", "--weights", delta, "--output", tmp_path / "out", environment={"HF_HUB_CACHE": str(tmp_path)})
    assert "hf download google/gemma-4-31B-it" in error["hint"]


def test_a_link_out_of_the_checkpoint(tmp_path, base, delta):
    model = tmp_path / "model"
    shutil.copytree(base, model)
    shard = model / "model-00001-of-00002.safetensors"
    shutil.move(shard, tmp_path / "elsewhere.safetensors")
    shard.symlink_to(tmp_path / "elsewhere.safetensors")
    refusal("fuse", "--model", model, "--weights", delta, "--output", tmp_path / "out")
    assert not os.path.exists(tmp_path / "out")
