"""One PTX instruction run on arrays: a module of a few lines around it."""

import numpy as np

from .memory import Memory
from .module import Module
from .parse import DTYPES

_HEAD = ".version 9.0\n.target sm_80\n.address_size 64\n"


def registers(kind):
    """The PTX type that registers of a type are declared as."""
    return {"u": "b", "s": "b"}.get(kind[0], kind[0]) + kind[1:] if kind[0] in "us" else kind


def module_of(body, parameters=1, declarations=""):
    names = ", ".join(f".param .u64 p{i}" for i in range(parameters))
    return Module(f"{_HEAD}{declarations}\n.visible .entry k({names})\n{{\n{body}\n}}\n")


def evaluate(instruction, result, *sources):
    """The results of `instruction`, whose operands are written {0} (destination), {1}, {2}, …

    result: PTX type of the destination; sources: (PTX type, array) of each register operand.
    """
    count = max(len(array) for _, array in sources)
    memory = Memory()
    lines, pointers = [], []
    names = [f"%d{i}" for i in range(len(sources) + 1)]
    for number, (kind, array) in enumerate(sources):
        array = np.ascontiguousarray(np.broadcast_to(array, count), DTYPES[kind])
        pointers.append(memory.upload(array))
        lines += [
            f".reg .{registers(kind)} {names[number + 1]};",
            f"ld.param.u64 %base, [p{number}];",
            f"mad.wide.u32 %at, %i, {array.itemsize}, %base;",
            f"ld.global.{registers(kind)} {names[number + 1]}, [%at];",
        ]
    dtype = DTYPES[result]
    pointers.append(memory.allocate(count * dtype.itemsize))
    body = [
        ".reg .b64 %base, %at; .reg .b32 %i, %block;",
        f".reg .{registers(result)} {names[0]};",
        "mov.u32 %i, %tid.x; mov.u32 %block, %ctaid.x;",
        "mad.lo.u32 %i, %block, 64, %i;",
        f".reg .pred %in; setp.ge.u32 %in, %i, {count}; @%in ret;",
        *lines,
        instruction.format(*names) + ";",
        f"ld.param.u64 %base, [p{len(sources)}];",
        f"mad.wide.u32 %at, %i, {dtype.itemsize}, %base;",
        f"st.global.{registers(result)} [%at], {names[0]};",
        "ret;",
    ]
    module_of("\n".join(body), len(pointers)).run(memory, "k", -(-count // 64), 64, pointers)
    return memory.download(pointers[-1], dtype, count)
