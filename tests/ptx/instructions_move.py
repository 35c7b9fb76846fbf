"""Moves, conversions, comparisons and selections."""

import operator

import numpy as np

from . import arithmetic
from .error import PtxError
from .operations import UNSIGNED, Value, reader, step, value, writer
from .parse import DTYPES, Group, Pair

ANY = "uifb"
BOOL = np.dtype(bool)
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
TO_INTEGER = ("rni", "rzi", "rmi", "rpi")
# Where each state space lies in the generic address space; global addresses are what they are.
GENERIC_WINDOWS = {"shared": 1 << 56, "local": 1 << 57}


@step("mov")
def move(instruction, kernel):
    dtype = DTYPES[instruction.types[-1]]
    target, source = instruction.operands
    if isinstance(target, Group):
        return _unpack(target, source, dtype, kernel)
    if isinstance(source, Group):
        return _pack(target, source, dtype, kernel)
    read, write = reader(source, dtype, kernel), writer(target, dtype, kernel)
    return lambda machine, lanes: write(machine, lanes, read(machine, lanes))


def _unpack(target, source, dtype, kernel):
    whole = UNSIGNED[dtype.itemsize]
    part = UNSIGNED[dtype.itemsize // len(target.elements)]
    read = reader(source, whole, kernel)
    writers = [writer(e, part, kernel) for e in target.elements]

    def run(machine, lanes):
        word = read(machine, lanes)
        for i, write in enumerate(writers):
            write(machine, lanes, (word >> whole.type(8 * part.itemsize * i)).astype(part))

    return run


def _pack(target, source, dtype, kernel):
    whole = UNSIGNED[dtype.itemsize]
    part = UNSIGNED[dtype.itemsize // len(source.elements)]
    readers = [reader(e, part, kernel) for e in source.elements]
    write = writer(target, whole, kernel)

    def run(machine, lanes):
        word = whole.type(0)
        for i, read in enumerate(readers):
            word = word | (read(machine, lanes).astype(whole) << whole.type(8 * part.itemsize * i))
        write(machine, lanes, word)

    return run


@value("cvta", kinds="u", modifiers="to global shared local const param")
def convert_address(instruction):
    dtype = DTYPES[instruction.types[-1]]
    window = dtype.type(GENERIC_WINDOWS.get(instruction.space(), 0))
    if "to" in instruction.modifiers:
        return Value((dtype,), dtype, lambda a: a - window)
    return Value((dtype,), dtype, lambda a: a + window)


@value("cvt", kinds=ANY, modifiers="rn rz rm rp rni rzi rmi rpi sat")
def convert(instruction):
    to, source = (DTYPES[t] for t in instruction.types)
    mode = next((m for m in instruction.modifiers if m != "sat"), None)
    saturate = "sat" in instruction.modifiers
    halves = {"f16", "bf16"} & set(instruction.types)
    if halves:
        convert_values = _half_conversion(*instruction.types, mode)
    elif to.kind == "f" and source.kind == "f":
        convert_values = _float_conversion(to, source, mode)
    elif to.kind == "f":
        if mode != "rn":
            raise PtxError("only .rn is supported")
        convert_values = lambda a: a.astype(to)  # noqa: E731
    elif source.kind == "f":
        convert_values = lambda a: arithmetic.float_to_integer(a, to, mode)  # noqa: E731
    elif saturate:
        convert_values = _saturating(to, source)
    else:
        convert_values = lambda a: a.astype(to)  # noqa: E731
    if saturate and to.kind == "f":
        raise PtxError(".sat to a float is not supported")
    return Value((source,), to, convert_values)


def _half_conversion(to, source, mode):
    if (to, source) == ("f32", "bf16"):
        return arithmetic.from_bf16
    if (to, source) == ("f32", "f16"):
        return lambda a: arithmetic.canonical_nan(a.astype(np.float32))
    if mode == "rn" and (to, source) == ("bf16", "f32"):
        return arithmetic.to_bf16
    if mode == "rn" and (to, source) == ("f16", "f32"):
        return arithmetic.to_f16
    raise PtxError("this conversion of a 16-bit float is not supported")


def _float_conversion(to, source, mode):
    if (to, source) == (F64, F32):
        return lambda a: a.astype(np.float64)
    if (to, source) == (F32, F64) and mode == "rn":
        return lambda a: arithmetic.canonical_nan(a.astype(np.float32))
    if (to, source) == (F32, F64) and mode in ("rz", "rm", "rp"):
        return lambda a: arithmetic.canonical_nan(arithmetic.narrow_directed(a, mode))
    if to == source and mode in TO_INTEGER:
        return dict(zip(TO_INTEGER, (np.rint, np.trunc, np.floor, np.ceil)))[mode]
    raise PtxError("this conversion is not supported")


def _saturating(to, source):
    limits, of_source = np.iinfo(to), np.iinfo(source)
    low, high = max(limits.min, of_source.min), min(limits.max, of_source.max)
    return lambda a: np.clip(a, source.type(low), source.type(high)).astype(to)


_COMPARE = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "lo": operator.lt, "ls": operator.le, "hi": operator.gt, "hs": operator.ge,
}  # fmt: skip
_UNORDERED = {f"{name}u": _COMPARE[name] for name in ("eq", "ne", "lt", "le", "gt", "ge")}
_COMBINE = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


def comparison(name, dtype):
    """The function of two arrays that a comparison's name stands for."""
    if dtype.kind != "f":
        return _COMPARE[name]

    def unordered(a, b):
        return np.isnan(a) | np.isnan(b)

    if name == "nan":
        return unordered
    if name == "num":
        return lambda a, b: ~unordered(a, b)
    if name in _UNORDERED:
        return lambda a, b: _UNORDERED[name](a, b) | unordered(a, b)
    # numpy's "not equal" holds for NaNs; PTX's ne does not.
    return lambda a, b: _COMPARE[name](a, b) & ~unordered(a, b)


@value("setp", kinds="uif", modifiers=" ".join([*_COMPARE, *_UNORDERED, *_COMBINE, "num", "nan"]))
def compare(instruction):
    dtype = DTYPES[instruction.types[-1]]
    holds = comparison(instruction.modifiers[0], dtype)
    pair = isinstance(instruction.operands[0], Pair)
    if len(instruction.modifiers) == 1:
        return Value((dtype, dtype), BOOL, _both(holds) if pair else holds)
    combine = _COMBINE[instruction.modifiers[1]]

    def combined(a, b, other):
        return combine(holds(a, b), other)

    def both_combined(a, b, other):
        held = holds(a, b)
        return combine(held, other), combine(~held, other)

    return Value((dtype, dtype, BOOL), BOOL, both_combined if pair else combined)


def _both(holds):
    def compute(a, b):
        held = holds(a, b)
        return held, ~held

    return compute


@value("selp", kinds="uif")
def select(instruction):
    dtype = DTYPES[instruction.types[-1]]
    return Value((dtype, dtype, BOOL), dtype, lambda a, b, chosen: np.where(chosen, a, b))
