"""tools/capture_probe.py on small models: the rows are what the norm before the MLP gave."""

import os
import pathlib
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from .models import save

SCRIPT = pathlib.Path(os.environ["CONTOURFUSE_SOURCE_DIR"]) / "tools/capture_probe.py"
WORDS = [f"w{i}" for i in range(60)]
TEXT = [WORDS[(7 * i * i + 3 * i) % len(WORDS)] for i in range(50)]


def folder_of(family, folder):
    """A saved model with a tokenizer that knows WORDS."""
    model_type = save(family, folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token=WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return model_type


def capture(folder, *options, check=True):
    (folder / "text.txt").write_text(" ".join(TEXT), encoding="utf-8")
    command = [sys.executable, SCRIPT, "--model", folder, "--text", folder / "text.txt", "--output", folder / "probe.safetensors", *options]
    return subprocess.run(command, check=check, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})


@pytest.mark.parametrize("family, norm", [("gemma4-experts", "pre_feedforward_layernorm"), ("llama", "post_attention_layernorm")])
def test_rows_are_the_inputs_of_the_mlps(tmp_path, family, norm):
    model = folder_of(family, tmp_path).from_pretrained(tmp_path, dtype="auto").eval()
    capture(tmp_path, "--tokens", "40", "--window", "16")
    rows = load_file(tmp_path / "probe.safetensors")
    assert set(rows) == {f"layers.{n}.mlp_input" for n in range(6)}

    expected = {}
    for name, module in model.named_modules():
        if name.endswith("." + norm) and "tower" not in name:
            layer = name.split(".")[-2]
            module.register_forward_hook(lambda _, __, out, key=f"layers.{layer}.mlp_input": expected.setdefault(key, []).append(out[0].float()))
    ids = torch.tensor([WORDS.index(word) for word in TEXT[:40]])
    with torch.no_grad():
        for part in ids.split(16):
            model(input_ids=part[None])
    for key, parts in expected.items():
        assert rows[key].dtype == torch.float32
        assert torch.equal(rows[key], torch.cat(parts)), key
    assert len(expected) == 6


def test_a_text_that_is_too_short_is_refused(tmp_path):
    folder_of("llama", tmp_path)
    result = capture(tmp_path, "--tokens", "51", check=False)
    assert result.returncode == 1
    assert "has 50 tokens, and --tokens asks for 51" in result.stderr
    assert not (tmp_path / "probe.safetensors").exists()
