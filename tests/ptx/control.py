"""Branches, exits and block barriers."""

import numpy as np

from . import warp
from .error import PtxError
from .operations import reader, step
from .parse import Symbol
from .states import AT_BARRIER, EXITED, RUNNING

# After these the threads may be elsewhere, or wait: what runs next is chosen anew.
CONTROL = {"bra", "brx", "ret", "exit", "trap", "bar", "barrier", "shfl", "vote", "match", "redux"}


def branch_target(instruction, kernel):
    """The index of the instruction that a `bra` leads to; None for other instructions."""
    if instruction.name != "bra":
        return None
    target = instruction.operands[0]
    if not isinstance(target, Symbol) or target.name not in kernel.labels:
        raise PtxError(
            f"{kernel.name}: line {instruction.line}: a branch to no label: {instruction.text}"
        )
    return kernel.labels[target.name]


@step("bra", modifiers="uni")
def branch(instruction, kernel):
    there = branch_target(instruction, kernel)

    def run(machine, lanes):
        machine.pc[lanes] = there

    return run


@step("brx", modifiers="idx uni")
def branch_by_index(instruction, kernel):
    index, table = instruction.operands
    targets = np.array([kernel.labels[name] for name in kernel.branch_tables[table.name]])
    read = reader(index, np.dtype(np.uint32), kernel)

    def run(machine, lanes):
        chosen = read(machine, lanes)
        if (chosen >= targets.size).any():
            raise PtxError("a branch past the end of its table")
        machine.pc[lanes] = targets[chosen]

    return run


@step("ret", "exit", modifiers="uni")
def leave(instruction, kernel):
    def run(machine, lanes):
        machine.state[lanes] = EXITED
        release_blocks(machine)

    return run


@step("trap")
def trap(instruction, kernel):
    def run(machine, lanes):
        raise PtxError("trap")

    return run


@step("bar", "barrier", modifiers="sync cta aligned warp")
def barrier(instruction, kernel):
    if "warp" in instruction.modifiers:
        return warp.barrier(instruction, kernel)
    if "sync" not in instruction.modifiers or len(instruction.operands) != 1:
        raise PtxError("this form of barrier is not supported")
    read = reader(instruction.operands[0], np.dtype(np.uint32), kernel)

    def run(machine, lanes):
        machine.barrier[lanes] = read(machine, lanes)
        machine.state[lanes] = AT_BARRIER
        machine.pc[lanes] = machine.position
        release_blocks(machine)

    return run


def release_blocks(machine):
    """Lets the blocks go on whose threads have all arrived; fails where they cannot have met."""
    states = machine.state.reshape(-1, machine.places)
    waits = states == AT_BARRIER
    complete = waits.any(axis=1) & (waits | (states == EXITED)).all(axis=1)
    for block in np.flatnonzero(complete):
        threads = np.flatnonzero(waits[block]) + block * machine.places
        here = machine.pc[threads]
        machine.position = int(here[0])
        elsewhere = (here != here[0]) | (machine.barrier[threads] != machine.barrier[threads[0]])
        if elsewhere.any():
            machine.fail("threads of one block wait at different barriers", threads[0])
        missing = machine.threads_per_block - threads.size
        if missing:
            machine.fail(
                f"{missing} threads of the block have exited before this barrier", threads[0]
            )
        machine.state[threads] = RUNNING
        machine.pc[threads] += 1
        machine.block_epoch[block] += 1
