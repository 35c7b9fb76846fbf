"""State spaces: bytes with bounds, alignment, a record of what was ever written, and races."""

import numpy as np

from .error import PtxError
from .races import RaceDetector

GUARD = 256  # bytes between allocations that no kernel may touch
# Far above 2^32, so that an address cut to 32 bits is seen.
GLOBAL_BASE = 0x7F32_0000_0000
# What bytes hold that nobody wrote.
GARBAGE = 0xA5


class BadAccess(Exception):
    """(message, index of the first lane at fault); the machine adds who and where."""


class Space:
    """Bytes of which parts are allocated; its copies, one per block or thread, lie in a row."""

    def __init__(self, name, size, base=0, copies=1):
        self.name = name
        self.base = base  # the address of byte 0
        self.stride = -(-size // 16) * 16
        self.bytes = np.full(self.stride * copies, GARBAGE, np.uint8)
        self.written = np.zeros(self.bytes.size, bool)
        self.races = RaceDetector(self.bytes.size)
        self._begins, self._ends = np.zeros(1, np.int64), np.zeros(1, np.int64)

    def allow(self, begin, end):
        """Makes bytes [begin, end) of every copy accessible; in increasing order."""
        self._begins = np.append(self._begins, begin)
        self._ends = np.append(self._ends, end)

    def grow(self, size):
        self.stride = -(-size // 16) * 16
        more = self.stride - self.bytes.size
        self.bytes = np.append(self.bytes, np.full(more, GARBAGE, np.uint8))
        self.written = np.append(self.written, np.zeros(more, bool))
        self.races = RaceDetector(self.stride)

    def locate(self, addresses, size, copies=0):
        """Offsets into `bytes`; BadAccess unless each access is aligned and in one allocation."""
        offsets = addresses - self.base
        misaligned = offsets % size != 0
        if misaligned.any():
            lane = int(np.flatnonzero(misaligned)[0])
            raise BadAccess(
                f"misaligned {size}-byte access to {self.name} memory at {addresses[lane]:#x}", lane
            )
        part = np.searchsorted(self._begins, offsets, "right") - 1
        outside = (part < 1) | (offsets + size > self._ends[part])
        if outside.any():
            lane = int(np.flatnonzero(outside)[0])
            message = (
                f"{size}-byte access out of bounds of {self.name} memory at {addresses[lane]:#x}"
            )
            raise BadAccess(f"{message}{self._near(offsets[lane])}", lane)
        return offsets + copies * self.stride

    def _near(self, offset):
        part = int(np.searchsorted(self._begins, offset, "right")) - 1
        if part < 1:
            return ""
        begin, end = int(self._begins[part]), int(self._ends[part])
        return f" (byte {offset - begin} of an allocation of {end - begin})"

    def load(self, offsets, dtype):
        """Elements at checked offsets; BadAccess if a byte of them was never written."""
        size = dtype.itemsize
        index = offsets // size
        # Views of whole words: a word is written if all of its bytes are.
        unwritten = self.written.view(f"u{size}")[index] != int.from_bytes(b"\1" * size, "little")
        if unwritten.any():
            raise BadAccess(
                f"read of {self.name} memory that was never written",
                int(np.flatnonzero(unwritten)[0]),
            )
        return self.bytes.view(dtype)[index]

    def store(self, offsets, values):
        size = values.dtype.itemsize
        index = offsets // size
        self.bytes.view(values.dtype)[index] = values
        self.written.view(f"u{size}")[index] = int.from_bytes(b"\1" * size, "little")


class Memory:
    """Global memory: what the host allocates, writes and reads back."""

    def __init__(self):
        self.space = Space("global", 1 << 16, GLOBAL_BASE)
        self._top = GUARD
        self.symbols = {}  # (module, name) → address of a module-level variable

    def allocate(self, size, offset=0):
        """The address of `size` unwritten bytes, `offset` bytes behind a 256-byte boundary."""
        begin = -(-self._top // 256) * 256 + offset
        self._top = begin + size + GUARD
        if self._top > self.space.bytes.size:
            self.space.grow(max(self._top, 2 * self.space.bytes.size))
        self.space.allow(begin, begin + size)
        return GLOBAL_BASE + begin

    def upload(self, array, offset=0):
        """A copy of the array's bytes; an allocation of their size exactly."""
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        address = self.allocate(raw.size, offset)
        begin = address - GLOBAL_BASE
        self.space.bytes[begin : begin + raw.size] = raw
        self.space.written[begin : begin + raw.size] = True
        return address

    def download(self, address, dtype, count):
        """`count` elements; PtxError if a byte of them, padding aside, was never written."""
        dtype = np.dtype(dtype)
        begin = address - GLOBAL_BASE
        end = begin + count * dtype.itemsize
        missing = np.flatnonzero(~self.space.written[begin:end] & np.tile(_meant(dtype), count))
        if missing.size:
            raise PtxError(
                f"download: {missing.size} bytes were never written, the first is byte {missing[0]}"
            )
        return np.frombuffer(self.space.bytes[begin:end].tobytes(), dtype)

    def written(self, address, size):
        """Which of the bytes have been written, by host or kernel."""
        begin = address - GLOBAL_BASE
        return self.space.written[begin : begin + size].copy()


def _meant(dtype):
    """Which bytes of an element are no padding."""
    if dtype.fields is None:
        return np.ones(dtype.itemsize, bool)
    meant = np.zeros(dtype.itemsize, bool)
    for field, offset in dtype.fields.values():
        meant[offset : offset + field.itemsize] = _meant(field)
    return meant


class Layout:
    """Where a kernel's shared or local variables lie: apart, so that overruns are seen."""

    def __init__(self, variables, dynamic_size=0):
        self.offsets, self.ranges = {}, []
        top = GUARD
        for variable in variables:
            if variable.size is not None:
                begin = self.offsets[variable.name] = -(-top // max(16, variable.alignment)) * max(
                    16, variable.alignment
                )
                self.ranges.append((begin, begin + variable.size))
                top = begin + variable.size + GUARD
        # Every `extern []` names the same bytes.
        begin = -(-top // 256) * 256
        for variable in variables:
            if variable.size is None:
                self.offsets[variable.name] = begin
        if dynamic_size:
            self.ranges.append((begin, begin + dynamic_size))
        self.size = begin + dynamic_size + GUARD

    def space(self, name, copies):
        space = Space(name, self.size, copies=copies)
        for begin, end in self.ranges:
            space.allow(begin, end)
        return space
