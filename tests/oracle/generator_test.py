"""generator.py against the properties that define it: tight frames, mirrored rows, exact products, the function it computes."""

import math
from fractions import Fraction

import numpy as np
import pytest

from . import generator


def recipe(hidden=96, width=1031, gains=8, balance=True, gate_scale=1.0, down_scale=1.0, layers=(0,)):
    """A made-up bank: k are bf16 values, as a bank's must be; three sources of different kinds."""
    rng = np.random.default_rng(17)
    sources = [
        {
            "name": f"s{i}",
            "kind": kind,
            "gains": [2.0 ** (p - 2) for p in range(gains)],
            "coefficients": np.float32(rng.integers(-255, 256, gains) / 128.0 * 2.0 ** -rng.integers(0, 6, gains)).tolist(),
        }
        for i, kind in enumerate(["both", "sliding", "global"])
    ]
    sources[0]["coefficients"][1] = 0.0
    entries = [
        {"layer": n, "kind": "sliding", "hidden_size": hidden, "intermediate_size": width, "cells": width // (2 * gains)}
        for n in layers
    ]
    return {
        "seed": 0x1122334455667788, "gains_per_cell": gains, "gate_scale": gate_scale, "down_scale": down_scale,
        "balance": balance, "bank": {"sources": sources}, "layers": entries,
    }


def test_significant_bits_round_half_to_even():
    assert generator.round_significant(1 + 2.0**-16, 16) == 1.0
    assert generator.round_significant(1 + 3 * 2.0**-16, 16) == 1 + 2.0**-14
    assert generator.round_significant(-(2.0 - 2.0**-17), 16) == -2.0


@pytest.mark.parametrize("hidden", [2, 3, 64, 100, 127])
def test_table_is_a_rounded_cosine(hidden):
    table = generator.frame_table(hidden, 0.75).astype(np.float64)
    want = 0.75 * math.sqrt(2 / hidden) * np.cos(np.pi * np.arange(4 * hidden) / (2 * hidden))
    assert np.abs(table - want).max() <= 2.0**-16 * 0.75 * math.sqrt(2 / hidden)
    assert not np.signbit(table[table == 0]).any() and (table == 0).sum() == 2
    assert all(float(x).hex() == generator.round_significant(float(x), 16).hex() for x in table)


def test_permutation_and_signs():
    p = generator.permutation(64, 42, 5, generator.INPUT_PERMUTATION, 0)
    assert sorted(p.tolist()) == list(range(1, 64))
    assert not np.array_equal(p, generator.permutation(64, 42, 5, generator.OUTPUT_PERMUTATION, 0))
    assert not np.array_equal(p, generator.permutation(64, 42, 5, generator.INPUT_PERMUTATION, 1))
    assert not np.array_equal(p, generator.permutation(64, 42 + 2**32, 5, generator.INPUT_PERMUTATION, 0))
    e = generator.signs(300, 42, 5, generator.INPUT_SIGNS, 0)
    assert set(e.tolist()) == {-1.0, 1.0} and abs(e.sum()) < 5 * math.sqrt(300)


@pytest.mark.parametrize("balance", [True, False])
def test_rows_are_exact_mirrors_and_leftovers_zero(balance):
    r = recipe(balance=balance, gate_scale=0.5, down_scale=3.0)
    m = generator.generate_layer(r, r["layers"][0])
    cells = r["layers"][0]["cells"]
    end = 16 * cells
    for matrix in (m["gate"], m["up"], m["down"].T):
        bits = np.ascontiguousarray(matrix).view(np.uint16)
        assert np.array_equal(bits[0:end:2] ^ 0x8000, bits[1:end:2])
        assert not bits[end:].any()
    gate, up, down = (m[role].astype(np.float64) for role in ("gate", "up", "down"))
    ratio = up[:end] / np.where(gate[:end] == 0, 1, gate[:end])
    for row in range(end):
        values = set(ratio[row][gate[row] != 0].tolist())
        assert len(values) == 1 and math.frexp(values.pop())[0] == 0.5
    if not balance:
        assert np.array_equal(gate, up)
    else:
        # 3 * sqrt(2/H) times a k in [1, 2), or a k of zero; the largest cosine of a row is at least 1/sqrt(2).
        largest = np.abs(down[:, :end]).max(axis=0) / (3 * math.sqrt(2 / 96))
        assert ((largest > 0.7) & (largest < 2.0)).sum() == end - (largest == 0).sum()


def test_every_product_is_rounded_once():
    r = recipe(hidden=40, width=64)
    layer = r["layers"][0]
    m = generator.generate_layer(r, layer)
    table = generator.frame_table(40, 1.0)
    _, frames, _ = generator.cell_frames(r, layer)
    e = generator.signs(40, r["seed"], 0, generator.OUTPUT_SIGNS, 0)
    k = generator.dealt_sources(r, layer)[2]["coefficients"]
    for p in range(8):
        scaled = abs(Fraction(k[p]))
        while scaled and not 1 <= scaled < 2:
            scaled = scaled * 2 if scaled < 1 else scaled / 2
        for h in range(40):
            exact = Fraction(float(table[(2 * h + 1) * int(frames[2]) % 160])) * scaled * int(e[h]) * (1 if k[p] > 0 else -1)
            assert float(m["down"][h, 32 + 2 * p]) == generator.round_significant(float(exact), 8)


def test_frames_are_orthonormal_and_a_second_basis_is_fresh():
    r = recipe(hidden=24, width=16 * 40)
    layer = r["layers"][0]
    frames, _, bases = generator.cell_frames(r, layer)
    assert sorted(frames[:23].tolist()) == list(range(1, 24)) and bases.tolist() == [0] * 23 + [1] * 17
    gate = generator.generate_layer(r, layer)["gate"].astype(np.float64)
    gain_one = gate[4 : 16 * 40 : 16]
    gram = gain_one[:23] @ gain_one[:23].T
    # Each entry carries relative roundings of 2^-8 (bf16) and 2^-16 (table) at most; Cauchy-Schwarz on two unit rows.
    u = 2.0**-8 + 2.0**-16
    assert np.abs(gram - np.eye(23)).max() < 2 * u + 2 * u * u
    assert np.linalg.matrix_rank(gain_one[:23]) == 23


def test_a_layer_kind_gets_its_own_sources():
    r = recipe()
    names = [s["name"] for s in generator.dealt_sources(r, r["layers"][0])]
    assert names[:4] == ["s0", "s1", "s0", "s1"]
    r["layers"][0]["kind"] = "global"
    assert [s["name"] for s in generator.dealt_sources(r, r["layers"][0])][:3] == ["s0", "s2", "s0"]
