"""Integer, bit and predicate instructions."""

import numpy as np

from .arithmetic import high_product
from .operations import UNSIGNED, Value, value
from .parse import DTYPES, Immediate
from .error import PtxError

INTEGERS = "ui"
U32 = np.dtype(np.uint32)


def last_type(instruction):
    return DTYPES[instruction.types[-1]]


@value("add", "sub", kinds=INTEGERS)
def add(instruction):
    dtype = last_type(instruction)
    compute = np.add if instruction.name == "add" else np.subtract
    return Value((dtype, dtype), dtype, compute)


def _product(instruction):
    """(dtype of the product, function of two arrays) of mul and mad."""
    dtype = last_type(instruction)
    if "wide" in instruction.modifiers:
        wide = np.dtype(f"{dtype.kind}{2 * dtype.itemsize}")
        return wide, lambda a, b: a.astype(wide) * b.astype(wide)
    if "hi" in instruction.modifiers:
        return dtype, lambda a, b: high_product(
            *(np.ascontiguousarray(v) for v in np.broadcast_arrays(a, b))
        )
    return dtype, np.multiply


@value("mul", kinds=INTEGERS, modifiers="lo hi wide")
def mul(instruction):
    dtype = last_type(instruction)
    result, product = _product(instruction)
    return Value((dtype, dtype), result, product)


@value("mad", kinds=INTEGERS, modifiers="lo hi wide")
def mad(instruction):
    dtype = last_type(instruction)
    result, product = _product(instruction)
    return Value((dtype, dtype, result), result, lambda a, b, c: product(a, b) + c)


@value("div", "rem", kinds=INTEGERS)
def div(instruction):
    dtype = last_type(instruction)

    def compute(a, b):
        if (b == 0).any():
            raise PtxError("integer division by zero")
        remainder = np.fmod(a, b)  # of the sign of a, as in C
        return remainder if instruction.name == "rem" else (a - remainder) // b

    return Value((dtype, dtype), dtype, compute)


@value("min", "max", kinds=INTEGERS)
def extremum(instruction):
    dtype = last_type(instruction)
    return Value((dtype, dtype), dtype, np.minimum if instruction.name == "min" else np.maximum)


@value("abs", "neg", kinds="i")
def sign(instruction):
    dtype = last_type(instruction)
    return Value((dtype,), dtype, np.abs if instruction.name == "abs" else np.negative)


@value("and", "or", "xor", kinds="ub")
def bitwise(instruction):
    dtype = last_type(instruction)
    compute = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[instruction.name]
    return Value((dtype, dtype), dtype, compute)


@value("not", kinds="ub")
def invert(instruction):
    dtype = last_type(instruction)
    return Value((dtype,), dtype, np.invert)


@value("shl", "shr", kinds=INTEGERS)
def shift(instruction):
    dtype = last_type(instruction)
    bits = 8 * dtype.itemsize
    move = np.left_shift if instruction.name == "shl" else np.right_shift

    def compute(a, count):
        moved = move(a, np.minimum(count, np.uint32(bits - 1)).astype(dtype))
        if dtype.kind == "i" and instruction.name == "shr":
            return moved  # the sign fills all of it
        return np.where(count >= bits, dtype.type(0), moved)

    return Value((dtype, U32), dtype, compute)


@value("shf", kinds="u", modifiers="l r wrap clamp")
def funnel_shift(instruction):
    left = "l" in instruction.modifiers
    wrap = "wrap" in instruction.modifiers

    def compute(low, high, count):
        count = (count & np.uint32(31) if wrap else np.minimum(count, np.uint32(32))).astype(
            np.uint64
        )
        both = (high.astype(np.uint64) << np.uint64(32)) | low
        moved = (both << count) >> np.uint64(32) if left else both >> count
        return moved.astype(np.uint32)

    return Value((U32, U32, U32), U32, compute)


@value("lop3", kinds="u")
def lop3(instruction):
    table = instruction.operands[4]
    if not isinstance(table, Immediate):
        raise PtxError("a look-up table that is no literal")

    def compute(a, b, c):
        result = np.zeros(np.broadcast_shapes(a.shape, b.shape, c.shape), np.uint32)
        for row in range(8):
            if table.value >> row & 1:
                result |= (a if row & 4 else ~a) & (b if row & 2 else ~b) & (c if row & 1 else ~c)
        return result

    return Value((U32, U32, U32), U32, compute)


@value("prmt", kinds="u")
def permute(instruction):
    def compute(a, b, selector):
        both = (b.astype(np.uint64) << np.uint64(32)) | a
        result = np.zeros(np.broadcast_shapes(both.shape, selector.shape), np.uint32)
        for byte in range(4):
            choice = selector >> np.uint32(4 * byte)
            picked = (both >> (np.uint64(8) * (choice & np.uint32(7)))).astype(
                np.uint32
            ) & np.uint32(255)
            spread = np.where(picked >= 128, np.uint32(255), np.uint32(0))
            picked = np.where(choice & np.uint32(8), spread, picked)
            result |= picked << np.uint32(8 * byte)
        return result

    return Value((U32, U32, U32), U32, compute)


@value("popc", "clz", kinds="u")
def count(instruction):
    dtype = last_type(instruction)

    def leading_zeros(a):
        filled = a.copy()
        for distance in (1, 2, 4, 8, 16, 32)[: 5 if dtype.itemsize == 4 else 6]:
            filled |= filled >> dtype.type(distance)
        return (8 * dtype.itemsize - np.bitwise_count(filled)).astype(np.uint32)

    def ones(a):
        return np.bitwise_count(a).astype(np.uint32)

    return Value((dtype,), U32, ones if instruction.name == "popc" else leading_zeros)


@value("brev", kinds="u")
def reverse(instruction):
    dtype = last_type(instruction)

    def compute(a):
        result = np.zeros_like(a)
        for bit in range(8 * dtype.itemsize):
            result |= ((a >> dtype.type(bit)) & dtype.type(1)) << dtype.type(
                8 * dtype.itemsize - 1 - bit
            )
        return result

    return Value((dtype,), dtype, compute)


def _field(position, length, dtype):
    """(shift, mask) of a bit field inside a word, as 64-bit numbers; both clipped to the word."""
    bits = np.uint32(8 * dtype.itemsize)
    position = np.minimum(position & np.uint32(255), bits)
    length = np.minimum(np.minimum(length & np.uint32(255), bits), bits - position)
    ones = np.where(
        length >= 64,
        ~np.uint64(0),
        (np.uint64(1) << np.minimum(length, np.uint32(63)).astype(np.uint64)) - np.uint64(1),
    )
    return np.minimum(position, np.uint32(63)).astype(np.uint64), ones


@value("bfe", kinds=INTEGERS)
def extract(instruction):
    dtype = last_type(instruction)
    bits = 8 * dtype.itemsize
    unsigned = UNSIGNED[dtype.itemsize]

    def compute(a, position, length):
        shift_by, mask = _field(position, length, dtype)
        word = a.view(unsigned).astype(np.uint64)
        found = (word >> shift_by) & mask
        if dtype.kind == "i":
            # The field's top bit, or the word's where the field reaches past it.
            top = np.minimum(
                (position & np.uint32(255)) + (length & np.uint32(255)) - np.uint32(1),
                np.uint32(bits - 1),
            )
            negative = (length & np.uint32(255) != 0) & (
                (word >> top.astype(np.uint64)) & np.uint64(1) == 1
            )
            found = np.where(negative, found | ~mask, found)
        return found.astype(unsigned).view(dtype)

    return Value((dtype, U32, U32), dtype, compute)


@value("bfi", kinds="u")
def insert(instruction):
    dtype = last_type(instruction)

    def compute(a, b, position, length):
        shift_by, mask = _field(position, length, dtype)
        placed = (a.astype(np.uint64) & mask) << shift_by
        return (placed | (b.astype(np.uint64) & ~(mask << shift_by))).astype(dtype)

    return Value((dtype, dtype, U32, U32), dtype, compute)
