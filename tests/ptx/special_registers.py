"""The registers that the hardware fills: where a thread is."""

import numpy as np

from .states import WARP

_BIT = np.uint64(1) << np.arange(WARP, dtype=np.uint64)
_LANE_MASKS = {
    "lanemask_eq": _BIT,
    "lanemask_lt": _BIT - np.uint64(1),
    "lanemask_le": (_BIT - np.uint64(1)) | _BIT,
    "lanemask_gt": ~((_BIT - np.uint64(1)) | _BIT),
    "lanemask_ge": ~(_BIT - np.uint64(1)),
}


def special_register(name, machine):
    """The register of all threads of a machine; None for one that is not known."""
    kind, _, axis = name.partition(".")
    lane = machine.everyone % WARP
    if kind in ("tid", "ntid", "ctaid", "nctaid"):
        extent = machine.launch.block if kind in ("tid", "ntid") else machine.launch.grid
        if kind in ("ntid", "nctaid"):
            return np.full(machine.count, extent["xyz".index(axis)])
        index = machine.number if kind == "tid" else machine.block_of + machine.first_block
        # The places of a last warp that no thread has must only be in range.
        index = np.minimum(index, int(np.prod(extent)) - 1)
        return np.unravel_index(index, extent[::-1])["zyx".index(axis)]
    if kind == "laneid":
        return lane
    if kind == "warpid":
        return machine.number // WARP
    if kind in _LANE_MASKS:
        return _LANE_MASKS[kind][lane] & np.uint64(0xFFFFFFFF)
    return None
