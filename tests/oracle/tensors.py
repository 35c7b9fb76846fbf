"""A plain safetensors reader and a checkpoint's view of its shards, without the safetensors library."""

import json
import os
import re
from dataclasses import dataclass

import numpy as np

from .exact import BF16

DTYPES = {"BF16": BF16, "F16": np.dtype(np.float16), "F32": np.dtype(np.float32)}
DENSE_MLP = re.compile(
    r"^(?:model\.(?:language_model\.)?|language_model\.model\.)layers\.(\d+)\.mlp\.(gate|up|down)_proj\.weight$"
)


@dataclass(frozen=True)
class Entry:
    name: str
    file: str
    dtype: str
    shape: tuple
    begin: int
    end: int


def read_header(path):
    """(tensor entries in order of offset, offset of the data in the file)."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    entries = [
        Entry(name, os.path.basename(path), t["dtype"], tuple(t["shape"]), *t["data_offsets"])
        for name, t in header.items()
    ]
    return sorted(entries, key=lambda e: (e.begin, e.end)), 8 + size


def read_bytes(folder, entry):
    path = os.path.join(folder, entry.file)
    with open(path, "rb") as file:
        base = 8 + int.from_bytes(file.read(8), "little")
        file.seek(base + entry.begin)
        return file.read(entry.end - entry.begin)


def read_tensor(folder, entry):
    return np.frombuffer(read_bytes(folder, entry), DTYPES[entry.dtype]).reshape(entry.shape)


def shard_names(folder):
    """The shards of a checkpoint, or every safetensors file of a delta that has no index."""
    for index in ("model.safetensors.index.json", "delta.safetensors.index.json"):
        path = os.path.join(folder, index)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return sorted(set(json.load(file)["weight_map"].values()))
    return sorted(f for f in os.listdir(folder) if f.endswith(".safetensors"))


def list_tensors(folder):
    """name -> Entry over all shards."""
    return {e.name: e for shard in shard_names(folder) for e in read_header(os.path.join(folder, shard))[0]}


def layer_kinds(config, layers):
    """"sliding" or "global" for each layer of a config.json."""
    text = config.get("text_config") or config
    types = text.get("layer_types")
    if types:
        return ["global" if t == "full_attention" else "sliding" for t in types]
    family = config.get("model_type", "")
    pattern = text.get("sliding_window_pattern")
    if not pattern and family.startswith("gemma") and family not in ("gemma",):
        pattern = 6
    if not pattern:
        return ["global"] * layers
    kinds = ["global" if (n + 1) % pattern == 0 else "sliding" for n in range(layers)]
    kinds[-1] = "global"
    return kinds


def dense_mlps(entries):
    """(layer, role) -> Entry of the dense text MLP tensors among name -> Entry."""
    found = {}
    for name, entry in entries.items():
        match = DENSE_MLP.match(name)
        if match:
            found[int(match.group(1)), match.group(2)] = entry
    return found
