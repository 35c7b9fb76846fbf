"""Who touched which byte: finds accesses of two threads that no barrier puts in order."""

from dataclasses import dataclass

import numpy as np

NOBODY, SEVERAL = -1, -2


@dataclass(frozen=True)
class Accessor:
    """The threads of one access, an entry per byte; numbers are unique in the whole launch."""

    thread: np.ndarray
    warp: np.ndarray
    block: np.ndarray
    warp_epoch: np.ndarray  # full-warp barriers that the warp has passed
    block_epoch: np.ndarray  # block barriers that the block has passed


class AccessLog:
    """The latest accesses of one kind to each byte: those that nothing later is ordered behind."""

    def __init__(self, size):
        self.thread = np.full(size, NOBODY, np.int32)
        self.warp = np.full(size, NOBODY, np.int32)
        self.block = np.full(size, NOBODY, np.int32)
        self.warp_epoch = np.zeros(size, np.int32)
        self.block_epoch = np.zeros(size, np.int32)
        self.empty = True

    def unordered(self, where, who):
        """Which bytes were accessed by another thread with no barrier in between."""
        if self.empty:
            return np.zeros(len(where), bool)
        thread = self.thread[where]
        ordered = (thread == NOBODY) | (thread == who.thread)
        if not ordered.all():
            ordered |= (self.block[where] == who.block) & (
                self.block_epoch[where] < who.block_epoch
            )
            ordered |= (self.warp[where] == who.warp) & (self.warp_epoch[where] < who.warp_epoch)
        return ~ordered

    def record(self, where, who):
        kept = self.unordered(where, who)
        for known, new in (
            (self.thread, who.thread),
            (self.warp, who.warp),
            (self.block, who.block),
        ):
            merged = np.where(kept & (known[where] != new), SEVERAL, new)
            known[where] = merged
            # Bytes that several threads of this very access share.
            clash = known[where] != merged
            if clash.any():
                known[where[clash]] = SEVERAL
        # Accesses that stay unordered are of one epoch, or of several warps or blocks already.
        self.warp_epoch[where] = who.warp_epoch
        self.block_epoch[where] = who.block_epoch
        self.empty = False


class RaceDetector:
    """The access logs of one state space; a plain access is checked, then remembered."""

    def __init__(self, size):
        self.size = size
        self.clear()

    def clear(self):
        self.logs = {kind: AccessLog(self.size) for kind in ("read", "write", "atomic")}
        self.read_only = np.zeros(self.size, bool)  # read by ld.nc, which promises that none writes

    CONFLICTS = {
        "read": ("write", "atomic"),
        "write": ("read", "write", "atomic"),
        "atomic": ("read", "write"),
    }

    def access(self, kind, where, who):
        """(message, index into `where`) of the first race found, or None. `where`: byte offsets."""
        for other in self.CONFLICTS[kind]:
            racing = self.logs[other].unordered(where, who)
            if racing.any():
                return f"{kind} after {other} by another thread", int(np.flatnonzero(racing)[0])
        log = self.logs[kind]
        log.record(where, who)
        if kind == "write":
            clash = log.thread[where] == SEVERAL
            if clash.any():
                return "several threads write at once", int(np.flatnonzero(clash)[0])
        if kind != "read" and self.read_only[where].any():
            return f"{kind} after ld.nc, which promises read-only memory", int(
                np.flatnonzero(self.read_only[where])[0]
            )
        return None

    def read_only_access(self, where):
        """Like access, for ld.nc."""
        for other in ("write", "atomic"):
            touched = self.logs[other].thread[where] != NOBODY
            if touched.any():
                return f"ld.nc after {other} in the same launch", int(np.flatnonzero(touched)[0])
        self.read_only[where] = True
        return None
