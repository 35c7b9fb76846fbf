"""The table of instructions, and how operands are read and results written.

An entry makes, from one parsed instruction, a step: a function of (machine, lanes) that executes it
for the threads in `lanes`, an index array or slice(None).
"""

from dataclasses import dataclass

import numpy as np

from .error import PtxError
from .parse import DTYPES, Address, Group, Immediate, Pair, Register, Special, Symbol

UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}

_steps = {}  # instruction name → (modifiers it may have, maker of a step)
_values = {}  # (instruction name, kind of its last type) → (modifiers, maker of a Value)


@dataclass(frozen=True)
class Value:
    """An instruction that computes a result from its sources and touches nothing else."""

    sources: tuple  # dtypes; operand 0 is the destination, the sources follow
    result: np.dtype
    compute: object  # arrays → array of `result`; a tuple of two where the destination is a Pair


def step(*names, modifiers=""):
    """Registers a maker of steps: (instruction, kernel) → step."""

    def register(maker):
        for name in names:
            _steps[name] = (frozenset(modifiers.split()), maker)
        return maker

    return register


def value(*names, kinds, modifiers=""):
    """Registers a maker of Values: instruction → Value, for types of the numpy kinds `kinds`."""

    def register(maker):
        for name in names:
            for kind in kinds:
                _values[name, kind] = (frozenset(modifiers.split()), maker)
        return maker

    return register


def decode(instruction, kernel):
    """The step of an instruction; PtxError if any part of it is unknown."""
    try:
        for name in instruction.types:
            if name not in DTYPES:
                raise PtxError(f"type .{name} is not supported")
        if instruction.name in _steps:
            allowed, maker = _steps[instruction.name]
            _check_modifiers(instruction, allowed)
            return maker(instruction, kernel)
        kind = DTYPES[instruction.types[-1]].kind if instruction.types else None
        if (instruction.name, kind) not in _values:
            raise PtxError("unknown instruction")
        allowed, maker = _values[instruction.name, kind]
        _check_modifiers(instruction, allowed)
        return _value_step(maker(instruction), instruction, kernel)
    except PtxError as error:
        raise PtxError(
            f"{kernel.name}: line {instruction.line}: {error}: {instruction.text}"
        ) from None


def _check_modifiers(instruction, allowed):
    for modifier in instruction.modifiers:
        if modifier not in allowed:
            raise PtxError(f"unknown modifier .{modifier}")


def _value_step(operation, instruction, kernel):
    sources = instruction.operands[1 : 1 + len(operation.sources)]
    if len(sources) != len(operation.sources):
        raise PtxError(f"{len(operation.sources)} sources expected")
    readers = [reader(s, dtype, kernel) for s, dtype in zip(sources, operation.sources)]
    compute, result = operation.compute, operation.result
    target = instruction.operands[0]
    if isinstance(target, Pair):
        targets = [writer(t, result, kernel) for t in (target.first, target.second)]

        def run_pair(machine, lanes):
            values = compute(*[read(machine, lanes) for read in readers])
            for write, array in zip(targets, values):
                write(machine, lanes, array)

        return run_pair
    write = writer(target, result, kernel)
    apply = _applied(compute, readers)

    def run(machine, lanes):
        array = apply(machine, lanes)
        if array.dtype != result:
            raise TypeError(f"{instruction.text}: computed {array.dtype}, not {result}")
        write(machine, lanes, array)

    return run


def _applied(compute, readers):
    """(machine, lanes) → compute(what the readers read); spelled out: most time goes here."""
    if len(readers) == 1:
        (first,) = readers
        return lambda machine, lanes: compute(first(machine, lanes))
    if len(readers) == 2:
        first, second = readers
        return lambda machine, lanes: compute(first(machine, lanes), second(machine, lanes))
    return lambda machine, lanes: compute(*[read(machine, lanes) for read in readers])


def storage(kind):
    """The dtype that a register of a PTX type is kept in: unsigned bits, or bool."""
    dtype = DTYPES.get(kind)
    if dtype is None:
        raise PtxError(f"a register of type .{kind} is not supported")
    return dtype if dtype.kind == "b" else UNSIGNED[dtype.itemsize]


def reader(operand, dtype, kernel):
    """(machine, lanes) → array of `dtype`; of one element where all lanes read a constant."""
    if isinstance(operand, Register):
        return _register_reader(operand, dtype, kernel)
    if isinstance(operand, Special):
        return _special_reader(operand.name, dtype)
    if isinstance(operand, Immediate):
        constant = _constant(operand, dtype)
        return lambda machine, lanes: constant
    if isinstance(operand, Symbol):
        name = operand.name
        return (
            lambda machine, lanes: np.array([machine.address_of(name)])
            .astype(UNSIGNED[dtype.itemsize])
            .view(dtype)
        )
    raise PtxError("an operand that cannot be read as a value")


def _register_reader(operand, dtype, kernel):
    name = operand.name
    held = storage(kernel.registers[name])
    if held.kind == "b" or dtype.kind == "b":
        if held != dtype:
            raise PtxError(f"{name} is read as another type")
        if operand.negated:
            return lambda machine, lanes: ~machine.registers[name][lanes]
        return lambda machine, lanes: machine.registers[name][lanes]
    if held.itemsize == dtype.itemsize:
        return lambda machine, lanes: machine.registers[name][lanes].view(dtype)
    if held.itemsize < dtype.itemsize:
        raise PtxError(f"{name} is narrower than what is read from it")
    narrow = UNSIGNED[dtype.itemsize]
    return lambda machine, lanes: machine.registers[name][lanes].astype(narrow).view(dtype)


def _special_reader(name, dtype):
    if dtype.kind != "u" and dtype.kind != "i":
        raise PtxError(f"%{name} is an integer")
    return lambda machine, lanes: machine.special(name)[lanes].astype(dtype)


def _constant(operand, dtype):
    if operand.float_bytes:
        bits = np.array([operand.value], UNSIGNED[operand.float_bytes])
        if operand.float_bytes == dtype.itemsize:
            return bits.view(dtype)
        if dtype == np.float64:
            return bits.view(np.float32).astype(dtype)
        raise PtxError("a float literal of another width")
    if dtype.kind == "b":
        return np.array([operand.value != 0])
    if dtype.kind == "f":
        raise PtxError("an integer literal where a float is read")
    mask = (1 << 8 * dtype.itemsize) - 1
    return np.array([operand.value & mask], UNSIGNED[dtype.itemsize]).view(dtype)


def writer(operand, dtype, kernel):
    """(machine, lanes, array of `dtype`) → None; a wider register gets it extended as `dtype`."""
    if not isinstance(operand, Register):
        raise PtxError("a destination that is no register")
    name = operand.name
    if name == "_":
        return lambda machine, lanes, array: None
    held = storage(kernel.registers[name])
    if held == dtype:
        return lambda machine, lanes, array: machine.registers[name].__setitem__(lanes, array)
    if held.kind == "b" or dtype.kind == "b" or held.itemsize < dtype.itemsize:
        raise PtxError(f"{name} cannot hold the result")
    if held.itemsize == dtype.itemsize:
        return lambda machine, lanes, array: machine.registers[name].__setitem__(
            lanes, array.view(held)
        )
    if dtype.kind == "f":
        raise PtxError(f"{name} is wider than a float")
    wide = np.dtype(f"{dtype.kind}{held.itemsize}")
    return lambda machine, lanes, array: machine.registers[name].__setitem__(
        lanes, array.astype(wide).view(held)
    )


def elements(operand):
    """The registers of a vector operand, or the one of a plain one."""
    return operand.elements if isinstance(operand, Group) else (operand,)


def address_reader(operand, kernel):
    """(machine, lanes) → int64 byte addresses, one per lane or one for all."""
    if not isinstance(operand, Address):
        raise PtxError("an address is expected")
    offset = operand.offset
    base = operand.base
    if isinstance(base, Register):
        read = _register_reader(base, storage(kernel.registers[base.name]), kernel)
        return lambda machine, lanes: read(machine, lanes).astype(np.int64) + offset
    read = reader(base, np.dtype(np.uint64), kernel)
    return lambda machine, lanes: read(machine, lanes).view(np.int64) + offset
