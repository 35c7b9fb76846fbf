#!/usr/bin/env python3
"""Captures what the MLPs of a model are given while it reads a text, for `contourfuse sweep --probe`.

Needs torch and transformers (tools/setup.sh --hf). The text runs through the model in windows of
consecutive tokens; for every dense MLP of the language model the inputs of the first --tokens tokens
are written as `layers.N.mlp_input` [tokens, H] in f32.
"""

import argparse
import pathlib
import re
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

# The language model's own layers: towers for images and sound number theirs from 0 too.
DENSE_MLP = re.compile(r"(?:model\.)?(?:language_model\.)?(?:model\.)?layers\.(\d+)\.mlp")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder or hub id")
    parser.add_argument("--text", required=True, type=pathlib.Path, help="file of UTF-8 text like that the model is meant for")
    parser.add_argument("--tokens", type=int, default=256, help="rows of a layer (default: %(default)s)")
    parser.add_argument("--window", type=int, default=512, help="tokens that the model sees at once (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="as torch names it (default: %(default)s)")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="safetensors file to write")
    chosen = parser.parse_args()
    if chosen.tokens < 1 or chosen.window < 1:
        parser.error("--tokens and --window must be at least 1")
    return chosen


def dense_mlps(model):
    """Layer numbers and their MLPs."""
    found = {}
    for name, module in model.named_modules():
        match = DENSE_MLP.fullmatch(name)
        if match and hasattr(module, "down_proj") and isinstance(module.down_proj, torch.nn.Linear):
            found[int(match[1])] = module
    return found


def capture(model, ids, window):
    """Inputs [tokens, H] of every dense MLP for the tokens `ids`, in f32."""
    rows = {layer: [] for layer in dense_mlps(model)}
    hooks = []
    for layer, mlp in dense_mlps(model).items():
        def keep(module, inputs, layer=layer):
            rows[layer].append(inputs[0].detach().flatten(0, -2).float().cpu())
        hooks.append(mlp.register_forward_pre_hook(keep))
    try:
        with torch.no_grad():
            for part in ids.split(window):
                model(input_ids=part.unsqueeze(0).to(model.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: torch.cat(parts) for layer, parts in rows.items()}


def main():
    chosen = arguments()
    ids = AutoTokenizer.from_pretrained(chosen.model)(chosen.text.read_text(encoding="utf-8"), return_tensors="pt")["input_ids"][0]
    if len(ids) < chosen.tokens:
        sys.exit(f"capture_probe: {chosen.text} has {len(ids)} tokens, and --tokens asks for {chosen.tokens}")
    model = AutoModelForCausalLM.from_pretrained(chosen.model, dtype="auto").to(chosen.device).eval()
    rows = capture(model, ids[:chosen.tokens], chosen.window)
    if not rows:
        sys.exit(f"capture_probe: {chosen.model} has no dense MLP in its language model")
    save_file({f"layers.{layer}.mlp_input": inputs.contiguous() for layer, inputs in sorted(rows.items())},
              chosen.output, metadata={"model": chosen.model, "text": chosen.text.name})
    print(f"{chosen.output}: {len(rows)} layers, {chosen.tokens} tokens")


if __name__ == "__main__":
    main()
