"""What fusing does to the loss of the trained tiny model in examples/tiny-gemma4."""

import math
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from e2e.comparison import fuse
from e2e.program import DONE, SOURCE, run
from oracle.numerics import Settings

MODEL = SOURCE / "examples" / "tiny-gemma4"


def rows():
    """64 held-out rows of 200 bytes; a token is byte + 3."""
    text = np.frombuffer((MODEL / "validation.txt").read_bytes(), np.uint8).astype(np.int64) + 3
    return torch.from_numpy(text.reshape(64, 200))


def losses(folder):
    """(loss as the model's card took it, in bf16; loss of the same weights in f32), nats per byte over bytes 2 to 200."""
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    x, found = rows(), []
    for dtype in (torch.bfloat16, torch.float32):
        model = model.to(dtype).eval()
        with torch.no_grad():
            logits = model(input_ids=x[:, :-1]).logits
            found.append(float(torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), x[:, 1:].reshape(-1))))
    return tuple(found)


def test_loss_before_and_after(tmp_path, capsys):
    card, before = losses(MODEL)
    # The card's figure is a bf16 number: its neighbours are 1/128 away.
    assert card == 1.0859375
    # In f32 the same weights give a finer figure; it rounds to the card's within one bf16 step.
    assert abs(before - card) < 2.0**-7
    run("generate", "--base-model", MODEL, "--output-dir", tmp_path / "delta", expect=DONE)
    after = {}
    for alpha, gamma in ((0.02, 0.05), (32.0, 25.0)):
        fuse(MODEL, tmp_path / "delta", tmp_path / str(alpha), Settings(alpha=alpha, gamma_cap=gamma))
        after[alpha] = losses(tmp_path / str(alpha))[1]
        with capsys.disabled():
            print(f"\ntiny-gemma4: loss {before:.4f} -> {after[alpha]:.4f} nats per byte at alpha {alpha:g}, gamma {gamma:g}")
    # The defaults are conservative: most edits are lost to bf16, and what is left moves the loss by less than 1 %.
    assert after[0.02] != before and abs(after[0.02] - before) < 0.01 * before
    # At (32, 25) the model is clearly changed, and still far from a uniform guess over 260 tokens.
    assert math.isfinite(after[32.0]) and before + 0.005 < after[32.0] < 0.5 * math.log(260)
