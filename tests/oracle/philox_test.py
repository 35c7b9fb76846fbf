"""philox.py against the published known answers of Random123."""

import numpy as np
import pytest

from .philox import philox4x32, split


@pytest.mark.parametrize(
    "counter,key,want",
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers(counter, key, want):
    assert " ".join(f"{word:08x}" for word in philox4x32(counter, key).tolist()) == want


def test_counters_broadcast():
    many = philox4x32((np.arange(5), 7, 1, 0), split(0x1234567890ABCDEF))
    assert many.shape == (5, 4)
    for i in range(5):
        assert np.array_equal(many[i], philox4x32((i, 7, 1, 0), (0x90ABCDEF, 0x12345678)))
