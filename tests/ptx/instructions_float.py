"""Floating-point instructions: .rn alone; modifiers that approximate or flush are refused."""

import numpy as np

from .arithmetic import canonical_nan, fma, maximum, minimum
from .operations import UNSIGNED, Value, value
from .parse import DTYPES
from .error import PtxError

FLOAT = "f"


def _wide_float(instruction):
    dtype = DTYPES[instruction.types[-1]]
    if dtype.itemsize < 4:
        raise PtxError("16-bit float arithmetic is not supported")
    return dtype


@value("add", "sub", "mul", kinds=FLOAT, modifiers="rn")
def arithmetic(instruction):
    dtype = _wide_float(instruction)
    operate = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[instruction.name]
    return Value((dtype, dtype), dtype, lambda a, b: canonical_nan(operate(a, b)))


@value("div", kinds=FLOAT, modifiers="rn")
def divide(instruction):
    dtype = _rounded(instruction)
    return Value((dtype, dtype), dtype, lambda a, b: canonical_nan(a / b))


@value("sqrt", kinds=FLOAT, modifiers="rn")
def square_root(instruction):
    dtype = _rounded(instruction)
    return Value((dtype,), dtype, lambda a: canonical_nan(np.sqrt(a)))


@value("rcp", kinds=FLOAT, modifiers="rn")
def reciprocal(instruction):
    dtype = _rounded(instruction)
    return Value((dtype,), dtype, lambda a: canonical_nan(dtype.type(1) / a))


@value("fma", "mad", kinds=FLOAT, modifiers="rn")
def fused(instruction):
    dtype = _rounded(instruction)
    return Value((dtype, dtype, dtype), dtype, lambda a, b, c: canonical_nan(fma(a, b, c)))


def _rounded(instruction):
    if "rn" not in instruction.modifiers:
        raise PtxError("only .rn is supported")
    return _wide_float(instruction)


@value("min", "max", kinds=FLOAT)
def extremum(instruction):
    dtype = _wide_float(instruction)
    operate = minimum if instruction.name == "min" else maximum
    return Value((dtype, dtype), dtype, lambda a, b: canonical_nan(operate(a, b)))


@value("abs", "neg", kinds=FLOAT)
def sign(instruction):
    dtype = _wide_float(instruction)
    bits = UNSIGNED[dtype.itemsize]
    top = bits.type(1 << (8 * dtype.itemsize - 1))
    if instruction.name == "abs":
        return Value((dtype,), dtype, lambda a: (a.view(bits) & ~top).view(dtype))
    return Value((dtype,), dtype, lambda a: (a.view(bits) ^ top).view(dtype))


@value("copysign", kinds=FLOAT)
def copysign(instruction):
    dtype = _wide_float(instruction)
    return Value((dtype, dtype), dtype, lambda a, b: np.copysign(b, a))


@value("testp", kinds=FLOAT, modifiers="finite infinite number notanumber normal subnormal")
def classify(instruction):
    dtype = _wide_float(instruction)
    least_normal = np.finfo(dtype).smallest_normal
    tests = {
        "finite": np.isfinite,
        "infinite": np.isinf,
        "number": lambda a: ~np.isnan(a),
        "notanumber": np.isnan,
        "normal": lambda a: np.isfinite(a) & (np.abs(a) >= least_normal),
        "subnormal": lambda a: (a != 0) & (np.abs(a) < least_normal),
    }
    return Value((dtype,), np.dtype(bool), tests[instruction.modifiers[0]])


def is_contractible(instruction):
    """Whether the assembler may fuse the instruction with another one: its bits are then not given.

    nvcc -fmad=false writes .rn, which forbids it.
    """
    is_float = instruction.types and DTYPES.get(instruction.types[-1], np.dtype(bool)).kind == FLOAT
    return (
        bool(is_float) and instruction.name in ("add", "sub", "mul") and not instruction.modifiers
    )
