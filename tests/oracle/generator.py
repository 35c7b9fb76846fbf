"""The three matrices of a layer from a delta.json alone: frames, streams, balance, as docs/neurons.md says."""

import json
import math

import ml_dtypes
import numpy as np

from .philox import philox4x32, split

INPUT_SIGNS, OUTPUT_SIGNS, INPUT_PERMUTATION, OUTPUT_PERMUTATION = range(4)
TABLE_BITS = 16


def round_significant(value, bits):
    """A number to `bits` significant bits, ties to even."""
    if value == 0:
        return 0.0
    fraction, exponent = math.frexp(value)
    # |fraction| * 2^bits is exact, and Python rounds halves to even.
    return math.ldexp(round(math.ldexp(fraction, bits)), exponent - bits)


def frame_table(hidden, scale):
    """T[0 .. 4H-1], f32: the quarter wave s*sqrt(2/H)*cos(pi m/2H), rounded once and mirrored."""
    quarter = []
    for m in range(hidden + 1):
        if m == hidden:
            wave = 0.0
        elif 2 * m <= hidden:
            wave = math.cos(math.pi * m / (2.0 * hidden))
        else:
            wave = math.sin(math.pi * (hidden - m) / (2.0 * hidden))
        quarter.append(round_significant(scale * math.sqrt(2.0 / hidden) * wave, TABLE_BITS))
    table = np.zeros(4 * hidden, np.float32)
    for m, value in enumerate(quarter):
        if value == 0:
            continue
        table[m] = value
        table[(4 * hidden - m) % (4 * hidden)] = value
        table[2 * hidden - m] = -value
        table[2 * hidden + m] = -value
    return table


def permutation(hidden, seed, layer, purpose, basis):
    """1 .. H-1 in the order of their 64-bit Philox keys, two keys to a block, low word first."""
    count = hidden - 1
    words = philox4x32((np.arange((count + 1) // 2), layer, purpose, basis), split(seed)).astype(np.uint64)
    keys = (words[:, 0::2] | words[:, 1::2] << np.uint64(32)).reshape(-1)[:count]
    return np.argsort(keys, kind="stable") + 1


def signs(hidden, seed, layer, purpose, basis):
    """+1 or -1 for each of H columns: 128 bits to a block, bit 0 of word 0 first, a set bit is minus."""
    words = philox4x32((np.arange(-(-hidden // 128)), layer, purpose, basis), split(seed)).reshape(-1)
    bits = (words[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    return np.where(bits.reshape(-1)[:hidden] != 0, np.float32(-1), np.float32(1))


def dealt_sources(recipe, layer):
    """The bank's source of each cell of a layer: those whose kind fits, in turn."""
    fitting = [s for s in recipe["bank"]["sources"] if s["kind"] in (layer["kind"], "both")]
    return [fitting[j % len(fitting)] for j in range(layer["cells"])]


def cell_frames(recipe, layer):
    """(r_j, r'_j, basis) for each cell of a layer."""
    hidden, cells = layer["hidden_size"], layer["cells"]
    none = np.zeros(0, np.int64)
    frames, output_frames, bases = [none], [none], [none]
    for basis in range(-(-cells // (hidden - 1))):
        frames.append(permutation(hidden, recipe["seed"], layer["layer"], INPUT_PERMUTATION, basis))
        output_frames.append(permutation(hidden, recipe["seed"], layer["layer"], OUTPUT_PERMUTATION, basis))
        bases.append(np.full(hidden - 1, basis))
    return tuple(np.concatenate(part)[:cells] for part in (frames, output_frames, bases))


def generate_layer(recipe, layer):
    """{"gate", "up", "down"}: bf16 [I, H], [I, H], [H, I] of one entry of the recipe's layers."""
    hidden, width, index = layer["hidden_size"], layer["intermediate_size"], layer["layer"]
    gains_per_cell = recipe["gains_per_cell"]
    gate_table = frame_table(hidden, recipe["gate_scale"])
    down_table = frame_table(hidden, recipe["down_scale"])
    frames, output_frames, bases = cell_frames(recipe, layer)
    odd = 2 * np.arange(hidden, dtype=np.int64) + 1
    gate = np.zeros((width, hidden), np.float32)
    up = np.zeros((width, hidden), np.float32)
    down = np.zeros((hidden, width), np.float32)
    for j, source in enumerate(dealt_sources(recipe, layer)):
        basis = int(bases[j])
        epsilon = signs(hidden, recipe["seed"], index, INPUT_SIGNS, basis)
        output_epsilon = signs(hidden, recipe["seed"], index, OUTPUT_SIGNS, basis)
        direction = epsilon * gate_table[odd * int(frames[j]) % (4 * hidden)]
        output = output_epsilon * down_table[odd * int(output_frames[j]) % (4 * hidden)]
        for p in range(gains_per_cell):
            gain = np.float32(source["gains"][p])
            k = float(source["coefficients"][p])
            # frexp gives a fraction in [1/2, 1); the stored one is to lie in [1, 2).
            exponent = math.frexp(k)[1] - 1 if recipe["balance"] and k != 0 else 0
            k = np.float32(math.ldexp(k, -exponent))
            for mirror in range(2):
                sign = np.float32(1 - 2 * mirror)
                n = 2 * (gains_per_cell * j + p) + mirror
                gate[n] = sign * direction * gain
                up[n] = gate[n] * np.float32(math.ldexp(1.0, exponent))
                down[:, n] = sign * output * k
    to_bf16 = lambda m: m.astype(ml_dtypes.bfloat16)
    return {"gate": to_bf16(gate), "up": to_bf16(up), "down": to_bf16(down)}


def load_recipe(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
