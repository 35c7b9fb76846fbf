"""What the kernels are run on: matrices with all in them that trips a fuser, recipe tables."""

import numpy as np

from oracle import generator
from oracle.exact import BF16, round_nearest

from . import layouts


def weights(rng, shape, dtype):
    """Like a trained matrix, with both zeros, subnormals, powers of two and large ones."""
    values = rng.standard_normal(shape).astype(np.float32) * np.float32(0.02)
    special = np.float32([0.0, -0.0, 6e-8, -2e-7, 1e-40, -3e-39, 1.0, -2.0, 0.5, 1e-5, 3.0])
    flat = values.reshape(-1)
    places = rng.choice(flat.size, min(flat.size // 4, 300), replace=False)
    flat[places] = special[np.arange(places.size) % special.size]
    return round_nearest(values, dtype)


def deltas(rng, shape, dtype):
    values = rng.standard_normal(shape) * np.exp(rng.standard_normal(shape))
    values[rng.random(shape) < 0.05] = 0
    return round_nearest(values.astype(np.float32), dtype)


def spoil(rng, matrix, count):
    """Puts infinities and NaNs into a matrix."""
    flat = matrix.reshape(-1)
    places = rng.choice(flat.size, min(count, flat.size), replace=False)
    flat[places] = np.array([np.inf, -np.inf, np.nan], np.float32)[
        np.arange(places.size) % 3
    ].astype(matrix.dtype)


def generator_tables(memory, recipe, layer, role):
    """GeneratorTables of one matrix, uploaded; from the oracle's frames, signs and sources."""
    hidden, cells, gains = layer["hidden_size"], layer["cells"], recipe["gains_per_cell"]
    frames, output_frames, bases = generator.cell_frames(recipe, layer)
    purpose = generator.OUTPUT_SIGNS if role == "down" else generator.INPUT_SIGNS
    signs = [
        np.where(generator.signs(hidden, recipe["seed"], layer["layer"], purpose, b) < 0, 0x8000, 0)
        for b in range(int(bases.max()) + 1)
    ]
    kind = layer["kind"]
    sources = [s for s in recipe["bank"]["sources"] if s["kind"] in (kind, "both")]
    exponents, coefficients = [], []
    for source in sources:
        for gain, k in zip(source["gains"], source["coefficients"]):
            moved = int(np.frexp(k)[1]) - 1 if recipe["balance"] and k else 0
            exponents.append(int(np.log2(gain)) + (moved if role == "up" else 0))
            coefficients.append(np.ldexp(k, -moved))
    per_cell = [
        coefficients[j % len(sources) * gains + p] for j in range(cells) for p in range(gains)
    ]
    gate_table = round_nearest(generator.frame_table(hidden, recipe["gate_scale"]), BF16)
    arrays = {
        "gate_table": gate_table.view(np.uint16),
        "down_table": generator.frame_table(hidden, recipe["down_scale"]),
        "frames": (output_frames if role == "down" else frames).astype(np.uint32),
        "signs": np.concatenate(signs).astype(np.uint16),
        "exponents": np.int32(exponents),
        "coefficients": np.float32(per_cell),
    }
    unused = {"down_table", "coefficients"} if role != "down" else {"gate_table", "exponents"}
    pointers = {name: 0 if name in unused else memory.upload(a) for name, a in arrays.items()}
    return layouts.make(
        layouts.GENERATOR_TABLES,
        hidden=hidden,
        intermediate=layer["intermediate_size"],
        cells=cells,
        gains=gains,
        period=4 * hidden,
        sources=len(sources),
        **pointers,
    )
