"""The driver: compiles a .cu file to PTX, finds kernels by their C++ names, and launches them."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from .error import PtxError
from .instructions_float import is_contractible
from .machine import Machine
from .operations import UNSIGNED
from .parse import literal, parse_module

# Threads that run side by side in one machine: numpy's overhead is then small beside its work.
_THREADS_AT_ONCE = 16384

FLAGS = ("-std=c++20", "-O3", "-fmad=false")


def nvcc():
    """The path of nvcc, or None."""
    return (
        os.environ.get("CUDACXX")
        or shutil.which("nvcc")
        or shutil.which("nvcc", path="/usr/local/cuda/bin")
    )


def compile_ptx(source, arch, include_dirs=(), defines=(), flags=FLAGS):
    """What nvcc makes of a .cu file for a virtual architecture such as compute_80; run once."""
    return _ptx(str(source), arch, tuple(include_dirs), tuple(defines), tuple(flags))


@functools.lru_cache(maxsize=None)
def _ptx(source, arch, include_dirs, defines, flags):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "module.ptx"
        command = [nvcc(), *flags, f"-arch={arch}", "-ptx", source, "-o", str(output)]
        command += [f"-I{d}" for d in include_dirs] + [f"-D{d}" for d in defines]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise PtxError(f"nvcc failed:\n{done.stdout}{done.stderr}")
        return output.read_text()


def demangle(names):
    if shutil.which("c++filt") is None:
        return names
    done = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def short_name(demangled):
    """A demangled name without what is the same for all: namespaces, return type and parameters.

    `void a::k<a::Bf16, (a::Role)1>(int)` is `k<Bf16, 1>`.
    """
    name = re.sub(r"\((?:[\w: ]+)\)(?=[-\w])", "", demangled)  # casts of enumerators
    name = re.sub(r"(?:\w+|\(anonymous namespace\))::", "", name)
    depth, end = 0, len(name)
    for i, letter in enumerate(name):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            end = i
            break
    depth, begin = 0, 0
    for i, letter in enumerate(name[:end]):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == " " and depth == 0:
            begin = i + 1
    return name[begin:end]


class Module:
    """The kernels of one PTX text."""

    def __init__(self, text):
        self.text = text
        self.kernels, self.variables = parse_module(text)
        names = list(self.kernels)
        self.names = dict(zip((short_name(d) for d in demangle(names)), names)) if names else {}

    @classmethod
    def compile(cls, source, arch, include_dirs=(), defines=(), flags=FLAGS):
        return _compiled(
            str(source), arch, tuple(map(str, include_dirs)), tuple(defines), tuple(flags)
        )

    def kernel(self, name):
        """The kernel of a mangled name, or of a short one, with or without template arguments."""
        if name in self.kernels:
            return self.kernels[name]
        if name in self.names:
            return self.kernels[self.names[name]]
        found = [mangled for short, mangled in self.names.items() if short.split("<")[0] == name]
        if len(found) != 1:
            raise PtxError(
                f"{len(found)} kernels are called {name}; there are {sorted(self.names)}"
            )
        return self.kernels[found[0]]

    def run(
        self,
        memory,
        name,
        grid,
        block,
        arguments,
        *,
        dynamic_shared=0,
        seed=None,
        may_contract=False,
    ):
        """Launches a kernel and waits for its end; gives the number of steps it took.

        arguments: a number for each scalar or pointer; bytes or a numpy structured scalar for each
        struct. seed: None for lockstep, else random turns of the warps. may_contract: allow
        floating-point instructions that the assembler may fuse.
        """
        return Launch(
            self, memory, name, grid, block, arguments, dynamic_shared, seed, may_contract
        ).run()


@functools.lru_cache(maxsize=None)
def _compiled(source, arch, include_dirs, defines, flags):
    return Module(compile_ptx(source, arch, include_dirs, defines, flags))


class Launch:
    """One kernel with its arguments."""

    def __init__(
        self, module, memory, name, grid, block, arguments, dynamic_shared, seed, may_contract
    ):
        self.kernel = kernel = module.kernel(name)
        self.memory = memory
        self.grid, self.block = _extent(grid), _extent(block)
        self.dynamic_shared = dynamic_shared
        self.random = None if seed is None else np.random.default_rng(seed)
        threads = int(np.prod(self.block))
        if threads > kernel.most_threads or threads < 1:
            raise PtxError(
                f"{kernel.name}: {threads} threads in a block, built for {kernel.most_threads}"
            )
        contractible = [i for i in kernel.instructions if is_contractible(i)]
        if contractible and not may_contract:
            first = contractible[0]
            raise PtxError(
                f"{kernel.name}: line {first.line}: may be contracted; compile with -fmad=false: "
                f"{first.text}"
            )
        self.parameters, self.parameter_offsets = _parameter_bytes(kernel, arguments)
        self.symbols = {
            v.name: _symbol_address(module, memory, v)
            for v in kernel.variables.values()
            if v.space in ("global", "const")
        }
        self.threads_before = 0

    def run(self):
        self.memory.space.races.clear()
        blocks = int(np.prod(self.grid))
        places = -(-int(np.prod(self.block)) // 32) * 32
        at_once = max(1, _THREADS_AT_ONCE // places)
        steps = 0
        for first in range(0, blocks, at_once):
            machine = Machine(self, first, min(blocks, first + at_once))
            machine.run()
            steps += machine.steps_done
            self.threads_before += machine.count
        return steps


def _extent(extent):
    extent = (extent,) if isinstance(extent, (int, np.integer)) else tuple(extent)
    return tuple(int(n) for n in extent + (1,) * (3 - len(extent)))


def _parameter_bytes(kernel, arguments):
    """(bytes of the parameter space, offset of each parameter by name)."""
    if len(arguments) != len(kernel.parameters):
        raise PtxError(
            f"{kernel.name} takes {len(kernel.parameters)} arguments, not {len(arguments)}"
        )
    raw, offsets = bytearray(), {}
    for parameter, argument in zip(kernel.parameters, arguments):
        raw += bytes(-len(raw) % parameter.alignment)
        offsets[parameter.name] = len(raw)
        encoded = _encode(parameter, argument)
        if len(encoded) != parameter.size:
            raise PtxError(
                f"{parameter.name} has {parameter.size} bytes, the argument {len(encoded)}"
            )
        raw += encoded
    return np.frombuffer(bytes(raw), np.uint8), offsets


def _encode(parameter, argument):
    if isinstance(argument, (bytes, np.void, np.generic)):
        return argument if isinstance(argument, bytes) else argument.tobytes()
    if isinstance(argument, float):
        if parameter.dtype.kind != "f":
            raise PtxError(f"{parameter.name} is no float: give a number of its dtype")
        return parameter.dtype.type(argument).tobytes()
    # A signed argument of an unsigned parameter is its two's complement.
    return (int(argument) & ((1 << 8 * parameter.size) - 1)).to_bytes(parameter.size, "little")


def _symbol_address(module, memory, variable):
    """Where a module-level variable lies; placed, with its initial value, at its first use."""
    key = (id(module), variable.name)
    if key not in memory.symbols:
        count = (variable.size or 0) // variable.dtype.itemsize
        values = np.zeros(count, UNSIGNED[variable.dtype.itemsize])
        for i, text in enumerate(re.findall(r"[-\w]+", variable.initial or "")):
            number = literal(text)
            if number is None:
                raise PtxError(f"{variable.name}: an initial value that is no number: {text}")
            values[i] = number.value & int(np.iinfo(values.dtype).max)
        memory.symbols[key] = memory.upload(values)
    return memory.symbols[key]
