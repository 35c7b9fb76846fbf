"""Philox4x32-10 on numpy arrays (Salmon, Moraes, Dror and Shaw, SC 2011)."""

import numpy as np

_LOW = np.uint64(0xFFFFFFFF)


def philox4x32(counter, key):
    """`counter`: four broadcastable integer arrays or numbers, `key`: two numbers; gives uint32 [..., 4]."""
    c = [np.asarray(w, np.uint64) for w in np.broadcast_arrays(*counter)]
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0),
            b & _LOW,
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
            a & _LOW,
        ]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=-1).astype(np.uint32)


def split(value):
    """A 64-bit number as its (low, high) 32-bit halves."""
    return value & 0xFFFFFFFF, value >> 32
