"""Checkpoints that transformers saved: fused as the oracle says, and loaded again with every key in its place."""

import re

import pytest
import torch

from e2e.comparison import assert_fused, fuse
from e2e.program import DONE, run, run_json
from oracle.numerics import Settings
from oracle.tensors import list_tensors

from .models import FAMILIES, save

SETTINGS = Settings(alpha=1.0, gamma_cap=0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_transformers_saved_is_fused_and_loads(tmp_path, family):
    model_type = save(family, tmp_path / "model")
    names = list_tensors(tmp_path / "model")
    dense = [n for n in names if re.search(r"(?<!tower\.encoder)\.layers\.\d+\.mlp\.(gate|down)_proj\.weight$", n) and "tower" not in n]
    assert len(dense) == 12, sorted(names)
    run("generate", "--base-model", tmp_path / "model", "--output-dir", tmp_path / "delta", expect=DONE)
    document = fuse(tmp_path / "model", tmp_path / "delta", tmp_path / "out", SETTINGS)
    assert_fused(document, tmp_path / "model", tmp_path / "delta", tmp_path / "out", SETTINGS)
    assert {m["name"] for m in document["matrices"]} == set(dense)
    if family == "gemma4-double-wide":
        assert {m["layer"] for m in document["matrices"] if m["double_wide"]} == {4, 5}
    if family == "gemma4-experts":
        assert any("experts" in n for n in names) and any("vision_tower" in n for n in names) and any("audio_tower" in n for n in names)
    assert len(run_json("inspect", tmp_path / "out")["layers"]) == 6

    # What the library itself says of the base holds for the output too.
    for folder in ("model", "out"):
        model, info = model_type.from_pretrained(tmp_path / folder, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], (folder, info)
    changed = set(dense)
    base = model_type.from_pretrained(tmp_path / "model").state_dict()
    for name, tensor in model.state_dict().items():
        if torch.equal(base[name].view(torch.uint8) if base[name].dim() else base[name], tensor.view(torch.uint8) if tensor.dim() else tensor):
            continue
        assert re.search(r"layers\.\d+\.mlp\.(gate|down)_proj\.weight$", name), name
        changed = {n for n in changed if not n.endswith(name.split("layers.")[1])}
    assert not changed, f"not changed: {sorted(changed)}"
