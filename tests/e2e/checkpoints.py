"""Tiny checkpoints and deltas, written by the safetensors library."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from oracle.exact import BF16, F32

TEXT_NAME = "model.layers.{layer}.mlp.{role}_proj.weight"
GEMMA_NAME = "model.language_model.layers.{layer}.mlp.{role}_proj.weight"
MLX_NAME = "language_model.model.layers.{layer}.mlp.{role}_proj.weight"


def weights(rng, shape, dtype):
    """Like a trained matrix, with what trips a fuser: both zeros, subnormals, large ones, exact powers of two."""
    values = rng.standard_normal(shape).astype(np.float32) * np.float32(0.02)
    flat = values.reshape(-1)
    special = np.float32([0.0, -0.0, 1e-7, -1e-7, 6e-8, 1e-40, -3e-39, 1.0, -2.0, 0.5, 3.0, 1e-5])
    places = rng.choice(flat.size, min(flat.size // 8, 200), replace=False)
    flat[places] = special[np.arange(places.size) % special.size]
    return values.astype(dtype)


def deltas(rng, shape, dtype, scale=1.0):
    """Deltas of both signs and many sizes, some beyond every cap, some zero."""
    values = rng.standard_normal(shape).astype(np.float32) * np.exp(rng.standard_normal(shape)).astype(np.float32)
    flat = values.reshape(-1)
    special = np.float32([0.0, -0.0, 30.0, -30.0, 1e-3, -1.0, 0.05, -0.05])
    places = rng.choice(flat.size, min(flat.size // 8, 100), replace=False)
    flat[places] = special[np.arange(places.size) % special.size]
    return (values * np.float32(scale)).astype(dtype)


@dataclass
class Layout:
    """What a tiny checkpoint looks like."""

    layers: int = 6
    hidden: int = 40
    width: int = 100
    dtype: np.dtype = BF16
    name: str = TEXT_NAME
    shards: int = 2
    seed: int = 1
    double_wide_from: int | None = None
    config: dict = field(default_factory=dict)
    decoys: bool = False
    side_files: bool = True

    def width_of(self, layer):
        wide = self.double_wide_from is not None and layer >= self.double_wide_from
        return self.width * (2 if wide else 1)

    def tensor_name(self, layer, role):
        return self.name.format(layer=layer, role=role)

    def shape(self, layer, role):
        shape = (self.width_of(layer), self.hidden)
        return shape[::-1] if role == "down" else shape


def gemma_config(layout):
    """A config.json with the text part nested where the tensor names say so."""
    text = {
        "model_type": "gemma4_text",
        "hidden_size": layout.hidden,
        "intermediate_size": layout.width,
        "num_hidden_layers": layout.layers,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["full_attention" if (n + 1) % 6 == 0 or n + 1 == layout.layers else "sliding_attention" for n in range(layout.layers)],
        "num_kv_shared_layers": 0,
        "use_double_wide_mlp": False,
    }
    if layout.double_wide_from is not None:
        text |= {"use_double_wide_mlp": True, "num_kv_shared_layers": layout.layers - layout.double_wide_from}
    if layout.name == TEXT_NAME:
        return {"architectures": ["Gemma4ForCausalLM"]} | text | layout.config
    return {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "text_config": text} | layout.config


def decoy_tensors(rng, layout):
    """Tensors of the vision and audio towers and of per-layer inputs, at the text layers' own numbers."""
    square = lambda *shape: rng.standard_normal(shape).astype(np.float32).astype(layout.dtype)
    found = {"model.embed_vision.embedding_projection.weight": square(8, 4)}
    for n in range(layout.layers):
        for role in ("gate", "up", "down"):
            tower = f"model.vision_tower.encoder.layers.{n}.mlp.{role}_proj"
            found[f"{tower}.linear.weight"] = square(*layout.shape(n, role))
            found[f"{tower}.input_min"] = np.array(-1.5, np.float32)
        found[f"model.audio_tower.layers.{n}.feed_forward1.ffw_layer_1.linear.weight"] = square(12, 4)
        found[f"model.language_model.layers.{n}.per_layer_input_gate.weight"] = square(4, layout.hidden)
    return found


def write_shards(folder, tensors, shards, metadata=None):
    """Tensors in name order, cut into `shards` files with an index, or one model.safetensors."""
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata=metadata)
        return
    where = {}
    for k in range(shards):
        file = f"model-{k + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[k * len(names) // shards : (k + 1) * len(names) // shards]}
        save_file(part, folder / file, metadata=metadata)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def write_checkpoint(folder, layout=Layout(), edit=None, extra=None):
    """A checkpoint of `layout`; `edit` may change the tensors before they are written."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(layout.seed)
    tensors = {}
    for n in range(layout.layers):
        for role in ("gate", "up", "down"):
            tensors[layout.tensor_name(n, role)] = weights(rng, layout.shape(n, role), layout.dtype)
        stem = layout.tensor_name(n, "gate").split("mlp")[0]
        tensors[stem + "pre_feedforward_layernorm.weight"] = np.ones(layout.hidden, np.float32).astype(layout.dtype)
        tensors[stem + "layer_scalar"] = np.array([1], np.float32).astype(layout.dtype)
    tensors["model.embed_tokens.weight"] = weights(rng, (32, layout.hidden), layout.dtype)
    tensors["model.empty"] = np.zeros((0, 4), layout.dtype)
    if layout.decoys:
        tensors |= decoy_tensors(rng, layout)
    tensors |= extra or {}
    if edit:
        edit(tensors)
    write_shards(folder, tensors, layout.shards, {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(gemma_config(layout), indent=2))
    if layout.side_files:
        (folder / "tokenizer.json").write_text("{}")
        (folder / "chat_template.jinja").write_text("{{ messages }}\n")
        (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
        (folder / "assets").mkdir()
        (folder / "assets" / "picture.bin").write_bytes(bytes(range(256)))
        (folder / ".hidden").write_text("not copied")
    return folder


def random_deltas(layout, dtype=F32, layers=None, roles=("gate", "up", "down"), seed=2, scale=1.0):
    """name -> matrix for all or some layers."""
    rng = np.random.default_rng(seed)
    layers = range(layout.layers) if layers is None else layers
    return {layout.tensor_name(n, role): deltas(rng, layout.shape(n, role), dtype, scale) for n in layers for role in roles}


def write_foreign_delta(folder, tensors, files=1, index=False):
    """A delta as another tool would write it: safetensors files without a delta.json."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    names, where = sorted(tensors), {}
    for k in range(files):
        file = f"part{k}.safetensors"
        part = {name: tensors[name] for name in names[k::files]}
        save_file(part, folder / file)
        where |= dict.fromkeys(part, file)
    if index:
        (folder / "delta.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder
