"""A whole fused checkpoint from base folder, delta and settings: tensors, records and totals."""

import json
import math
import os

from .generator import generate_layer, load_recipe
from .numerics import Settings, fuse_matrix
from .tensors import DTYPES, dense_mlps, layer_kinds, list_tensors, read_tensor

SUMMED = (
    "elements covered moved changed lost clamped sign_flips zero_weights nonfinite_kept "
    "sum_w2 sum_out2 sum_change2 sum_change sum_w_out"
).split()


def load_delta(path, base_tensors):
    """name -> matrix from a folder of stored deltas, a recipe's folder or a delta.json."""
    recipe_path = path if path.endswith(".json") else os.path.join(path, "delta.json")
    recipe = load_recipe(recipe_path) if os.path.exists(recipe_path) else None
    if recipe is None or (recipe["kind"] == "stored" and os.path.isdir(path)):
        return {name: read_tensor(path, entry) for name, entry in list_tensors(path).items()}
    names = {key: entry.name for key, entry in dense_mlps(base_tensors).items()}
    matrices = {}
    for layer in recipe["layers"]:
        for role, matrix in generate_layer(recipe, layer).items():
            matrices[names[layer["layer"], role]] = matrix
    return matrices


def fuse_checkpoint(base, delta, settings=Settings(), layers=None):
    """(name -> fused matrix of each edited role, records by shard name and offset, totals)."""
    entries = list_tensors(base)
    mlps = dense_mlps(entries)
    deltas = load_delta(delta, entries)
    with open(os.path.join(base, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    count = (config.get("text_config") or config)["num_hidden_layers"]
    kinds = layer_kinds(config, count)
    widths = {layer: entry.shape[0] for (layer, role), entry in mlps.items() if role == "gate"}
    fused, records = {}, []
    order = sorted(mlps.items(), key=lambda item: (item[1].file, item[1].begin))
    for (layer, role), entry in order:
        if role == "up" or entry.name not in deltas or (layers is not None and layer not in layers):
            continue
        delta_matrix = deltas[entry.name]
        weight = read_tensor(base, entry)
        fused[entry.name], record = fuse_matrix(weight, delta_matrix, role, entry.name, settings)
        records.append(
            {
                "name": entry.name,
                "layer": layer,
                "kind": kinds[layer],
                "role": role,
                "shard": entry.file,
                "dtype": entry.dtype,
                "delta_dtype": next(k for k, v in DTYPES.items() if v == delta_matrix.dtype),
                "shape": list(weight.shape),
                "covered_shape": list(delta_matrix.shape),
                "double_wide": widths[layer] == 2 * min(widths.values()),
            }
            | record
        )
    return fused, records, totals(records)


def totals(records):
    """The counts and sums of all records, added in their order, and the quotients over them."""
    total = {key: 0 for key in SUMMED}
    for record in records:
        for key in SUMMED:
            total[key] += record[key]
    total["matrices"] = len(records)
    total["lost_rate"] = total["lost"] / total["moved"] if total["moved"] else None
    total["drift"] = math.sqrt(total["sum_change2"] / total["sum_w2"]) if total["sum_w2"] else None
    return total
