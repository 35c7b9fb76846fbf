"""Shuffles, votes and warp barriers: lanes wait until all that a mask names are there."""

import numpy as np

from .error import PtxError
from .operations import reader, step, writer
from .parse import DTYPES, Pair
from .states import AT_WARP_SYNC, EXITED, RUNNING, WARP

U32 = np.dtype(np.uint32)
BITS = np.uint64(1) << np.arange(WARP, dtype=np.uint64)


def _gather(machine, lanes, masks):
    """Lets `lanes` wait for those in their masks; the threads whose masks are now complete."""
    threads = machine.threads(lanes)
    here = machine.position
    machine.state[threads] = AT_WARP_SYNC
    machine.pc[threads] = here
    machine.mask[threads] = masks
    warps = np.unique(threads // WARP)
    places = (warps[:, None] * WARP + np.arange(WARP)).reshape(-1)
    waits = ((machine.state[places] == AT_WARP_SYNC) & (machine.pc[places] == here)).reshape(
        -1, WARP
    )
    masks = machine.mask[places].reshape(-1, WARP).astype(np.uint64)
    own = (masks & BITS) != 0
    if (waits & ~own).any():
        machine.fail(
            "a lane that its own mask does not name",
            places[np.flatnonzero((waits & ~own).reshape(-1))[0]],
        )
    exited = ((machine.state[places] == EXITED).reshape(-1, WARP) * BITS).sum(axis=1)[:, None]
    lost = waits & ((masks & exited) != 0)
    if lost.any():
        machine.fail(
            "the mask names a lane that has exited", places[np.flatnonzero(lost.reshape(-1))[0]]
        )
    present = (waits * BITS).sum(axis=1)[:, None]
    ready = waits & ((masks & present) == masks)
    # Lanes that wait for each other name the same mask.
    alike = (masks[:, :, None] == masks[:, None, :]) | ((masks[:, :, None] & BITS) == 0)
    disagree = ready & ~alike.all(axis=2)
    if disagree.any():
        machine.fail(
            "lanes of one warp wait with different masks",
            places[np.flatnonzero(disagree.reshape(-1))[0]],
        )
    going = places[ready.reshape(-1)]
    machine.state[going] = RUNNING
    machine.pc[going] = here + 1
    return going


def barrier(instruction, kernel):
    """bar.warp.sync"""
    read = reader(instruction.operands[0], U32, kernel)

    def run(machine, lanes):
        going = _gather(machine, lanes, read(machine, lanes))
        # Only a barrier of all lanes orders all of the warp's accesses.
        alive = (machine.state.reshape(-1, WARP) != EXITED).sum(axis=1)
        warps, counts = np.unique(going // WARP, return_counts=True)
        machine.warp_epoch[warps[counts == alive[warps]]] += 1

    return run


@step("shfl", modifiers="sync idx up down bfly")
def shuffle(instruction, kernel):
    target, source, distance, clamp, members = instruction.operands
    write_held = None
    if isinstance(target, Pair):
        write_held = writer(target.second, np.dtype(bool), kernel)
        target = target.first
    write = writer(target, U32, kernel)
    read_source, read_distance, read_clamp, read_mask = (
        reader(o, U32, kernel) for o in (source, distance, clamp, members)
    )
    mode = next(m for m in instruction.modifiers if m != "sync")

    def run(machine, lanes):
        going = _gather(machine, lanes, read_mask(machine, lanes))
        if not going.size:
            return
        lane = going % WARP
        by = np.broadcast_to(read_distance(machine, going), going.shape).astype(np.int64) & 31
        limits = np.broadcast_to(read_clamp(machine, going), going.shape).astype(np.int64)
        segment, limit = (limits >> 8) & 31, limits & 31
        lowest = lane & segment
        highest = lowest | (limit & ~segment)
        if mode == "up":
            chosen = lane - by
            held = chosen >= highest
        else:
            chosen = {"down": lane + by, "bfly": lane ^ by, "idx": lowest | (by & ~segment)}[mode]
            held = chosen <= highest
        chosen = np.where(held, chosen, lane)
        absent = (machine.mask[going].astype(np.uint64) >> chosen.astype(np.uint64)) & np.uint64(
            1
        ) == 0
        if absent.any():
            machine.fail(
                "a lane reads from one that takes no part", going[np.flatnonzero(absent)[0]]
            )
        values = read_source(machine, going - lane + chosen)
        write(machine, going, values)
        if write_held:
            write_held(machine, going, held)

    return run


@step("vote", modifiers="sync ballot any all uni")
def vote(instruction, kernel):
    target, source, members = instruction.operands
    read, read_mask = reader(source, np.dtype(bool), kernel), reader(members, U32, kernel)
    mode = next(m for m in instruction.modifiers if m != "sync")
    write = writer(target, U32 if mode == "ballot" else np.dtype(bool), kernel)

    def run(machine, lanes):
        going = _gather(machine, lanes, read_mask(machine, lanes))
        if not going.size:
            return
        votes = np.zeros(machine.count, bool)
        votes[going] = read(machine, going)
        cast = (votes.reshape(-1, WARP) * BITS).sum(axis=1)[going // WARP]
        masks = machine.mask[going].astype(np.uint64)
        cast = cast & masks
        if mode == "ballot":
            write(machine, going, cast.astype(np.uint32))
        else:
            write(
                machine,
                going,
                {"any": cast != 0, "all": cast == masks, "uni": (cast == 0) | (cast == masks)}[
                    mode
                ],
            )

    return run


@step("redux", modifiers="sync add min max and or xor")
def reduce(instruction, kernel):
    dtype = DTYPES[instruction.types[-1]]
    if dtype.itemsize != 4 or dtype.kind == "f":
        raise PtxError("this type is not supported")
    target, source, members = instruction.operands
    read, read_mask, write = (
        reader(source, dtype, kernel),
        reader(members, U32, kernel),
        writer(target, dtype, kernel),
    )
    operations = {"add": np.add, "min": np.minimum, "max": np.maximum}
    operations |= {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
    combine = next(operations[m] for m in instruction.modifiers if m in operations)

    def run(machine, lanes):
        going = _gather(machine, lanes, read_mask(machine, lanes))
        values = np.broadcast_to(read(machine, going), going.shape)
        groups = going // WARP * (1 << 32) + machine.mask[going]
        result = np.empty(going.size, dtype)
        for group in np.unique(groups):
            result[groups == group] = combine.reduce(values[groups == group])
        write(machine, going, result)

    return run


@step("activemask")
def active_mask(instruction, kernel):
    write = writer(instruction.operands[0], U32, kernel)

    def run(machine, lanes):
        threads = machine.threads(lanes)
        active = np.zeros(machine.count, bool)
        active[threads] = True
        write(
            machine,
            lanes,
            (active.reshape(-1, WARP) * BITS).sum(axis=1)[threads // WARP].astype(np.uint32),
        )

    return run
