"""Loads, stores and atomics."""

import numpy as np

from .error import PtxError
from .instructions_move import GENERIC_WINDOWS
from .memory import BadAccess
from .operations import address_reader, elements, reader, step, writer
from .parse import DTYPES

_CACHING = (
    "global shared local param const v2 v4 v8 nc volatile weak relaxed acquire release "
    "gpu cta sys cluster ca cg cs lu cv wb wt L1::evict_normal L1::evict_unchanged L1::evict_first "
    "L1::evict_last L1::no_allocate L2::64B L2::128B L2::256B "
    "shared::cta param::entry"
)


class Target:
    """Where an instruction's address points for each lane: a space and checked offsets into it."""

    def __init__(self, instruction, operand, size, kernel):
        self.space = instruction.space()
        if "shared::cta" in instruction.modifiers:
            self.space = "shared"
        self.size = size
        self.addresses = address_reader(operand, kernel)

    def find(self, machine, lanes):
        """(space, offsets, thread numbers), an entry per lane."""
        threads = machine.threads(lanes)
        addresses = np.broadcast_to(self.addresses(machine, lanes), threads.shape)
        name = self.space or _generic_space(addresses)
        if self.space is None:
            addresses = addresses - GENERIC_WINDOWS.get(name, 0)
        space = machine.spaces[name]
        return space, space.locate(addresses, self.size, machine.copies(name, threads)), threads


def _generic_space(addresses):
    for name, window in GENERIC_WINDOWS.items():
        inside = (addresses >= window) & (addresses < 2 * window)
        if inside.all():
            return name
        if inside.any():
            raise BadAccess("one instruction accesses several state spaces: not supported", 0)
    return "global"


@step("ld", modifiers=_CACHING)
def load(instruction, kernel):
    dtype = DTYPES[instruction.types[-1]]
    targets = elements(instruction.operands[0])
    target = Target(instruction, instruction.operands[1], dtype.itemsize * len(targets), kernel)
    writers = [writer(t, dtype, kernel) for t in targets]
    read_only = "nc" in instruction.modifiers
    if target.space == "param":
        return _parameter_load(target, writers, dtype)

    def run(machine, lanes):
        space, offsets, threads = target.find(machine, lanes)
        machine.note_access(
            "read_only" if read_only else "read", space, offsets, target.size, threads
        )
        for i, write in enumerate(writers):
            write(machine, lanes, space.load(offsets + i * dtype.itemsize, dtype))

    return run


def _parameter_load(target, writers, dtype):
    """Parameters are the same for all, and nobody writes them."""

    def run(machine, lanes):
        addresses = target.addresses(machine, lanes)
        space = machine.spaces["param"]
        offsets = space.locate(addresses, target.size)
        for i, write in enumerate(writers):
            write(machine, lanes, space.load(offsets + i * dtype.itemsize, dtype))

    return run


@step("st", modifiers=_CACHING)
def store(instruction, kernel):
    dtype = DTYPES[instruction.types[-1]]
    if instruction.space() in ("param", "const"):
        raise PtxError("a store to read-only memory")
    sources = elements(instruction.operands[1])
    target = Target(instruction, instruction.operands[0], dtype.itemsize * len(sources), kernel)
    readers = [reader(s, dtype, kernel) for s in sources]

    def run(machine, lanes):
        space, offsets, threads = target.find(machine, lanes)
        machine.note_access("write", space, offsets, target.size, threads)
        for i, read in enumerate(readers):
            space.store(offsets + i * dtype.itemsize, read(machine, lanes))

    return run


def _wrapped_increment(old, limit):
    return np.where(old >= limit, old.dtype.type(0), old + old.dtype.type(1))


def _wrapped_decrement(old, limit):
    return np.where((old == 0) | (old > limit), limit, old - old.dtype.type(1))


_ATOMICS = {
    "add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "exch": lambda old, new: new, "inc": _wrapped_increment,
    "dec": _wrapped_decrement,
}  # fmt: skip


@step("atom", "red", modifiers=_CACHING + " acq_rel cas " + " ".join(_ATOMICS))
def atomic(instruction, kernel):
    dtype = DTYPES[instruction.types[-1]]
    if dtype.itemsize < 4 or (dtype.kind == "f" and "add" not in instruction.modifiers):
        raise PtxError("this atomic type is not supported")
    operands = list(instruction.operands)
    write = writer(operands.pop(0), dtype, kernel) if instruction.name == "atom" else None
    target = Target(instruction, operands[0], dtype.itemsize, kernel)
    compares = "cas" in instruction.modifiers
    readers = [reader(o, dtype, kernel) for o in operands[1 : 3 if compares else 2]]
    combine = next((_ATOMICS[m] for m in instruction.modifiers if m in _ATOMICS), None)

    def run(machine, lanes):
        space, offsets, threads = target.find(machine, lanes)
        machine.note_access("atomic", space, offsets, target.size, threads)
        values = [np.broadcast_to(read(machine, lanes), threads.shape) for read in readers]
        old = np.empty(threads.size, dtype)
        for i in machine.atomic_order(threads.size):
            here = offsets[i : i + 1]
            old[i : i + 1] = before = space.load(here, dtype)
            if compares:
                after = np.where(before == values[0][i], values[1][i : i + 1], before)
            else:
                after = combine(before, values[0][i : i + 1])
            space.store(here, after)
        if write is not None:
            write(machine, lanes, old)

    return run


@step("membar", "fence", modifiers="gl cta sys gpu acq_rel sc cluster")
def fence(instruction, kernel):
    """Changes nothing: memory has one order for all, and no race between blocks is excused."""
    return lambda machine, lanes: None
