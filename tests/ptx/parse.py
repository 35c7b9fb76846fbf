"""A .ptx file as data: kernels, each with its variables and a flat list of instructions."""

import contextlib
import gc
import re
from dataclasses import dataclass, field

import numpy as np

from .error import PtxError

# Element types by their PTX names. bf16 is kept as its bits.
DTYPES = {
    f"{letter}{bits}": np.dtype(f"{kind}{bits // 8}")
    for letter, kind in (("u", "u"), ("b", "u"), ("s", "i"))
    for bits in (8, 16, 32, 64)
}
DTYPES |= {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(np.uint16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "pred": np.dtype(bool),
}
# Types whose instructions are recognised, to be refused by name.
OTHER_TYPES = {"b128", "f16x2", "bf16x2", "tf32", "e4m3x2", "e5m2x2"}


@dataclass(frozen=True)
class Register:
    """A declared register, or "_", which swallows what is written to it."""

    name: str
    negated: bool = False


@dataclass(frozen=True)
class Special:
    """A register that the hardware fills, such as %tid.x."""

    name: str


@dataclass(frozen=True)
class Immediate:
    """A literal: an integer, or the bits of a float of `float_bytes` bytes."""

    value: int
    float_bytes: int = 0


@dataclass(frozen=True)
class Symbol:
    """The name of a variable, a label or a parameter."""

    name: str


@dataclass(frozen=True)
class Address:
    """[base + offset], in bytes."""

    base: object
    offset: int


@dataclass(frozen=True)
class Group:
    """{a, b, …}: a vector, or the parts of a packed register."""

    elements: tuple


@dataclass(frozen=True)
class Pair:
    """a|b: two destinations."""

    first: object
    second: object


@dataclass(frozen=True)
class Instruction:
    name: str  # the part before the first dot
    modifiers: tuple  # the other parts that are no types
    types: tuple
    operands: tuple
    guard: Register | None
    line: int
    text: str

    def space(self):
        """The state space that the instruction names, None for a generic address."""
        for modifier in self.modifiers:
            space = modifier.split("::")[0]
            if space in ("global", "shared", "local", "param", "const"):
                return space
        return None


@dataclass(frozen=True)
class Variable:
    space: str
    name: str
    dtype: np.dtype
    alignment: int
    size: int  # bytes; None for an `extern []`, which takes what the launch gives
    initial: str | None


@dataclass
class Kernel:
    name: str
    parameters: list
    variables: dict = field(default_factory=dict)  # its own and the module's, by name
    registers: dict = field(default_factory=dict)  # name → PTX type
    instructions: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)  # name → index of an instruction
    branch_tables: dict = field(default_factory=dict)  # name → label names
    most_threads: int = 1024  # per block
    code: list | None = None  # the decoded instructions, once a machine has made them

    def uses_local_memory(self):
        return any(v.space == "local" for v in self.variables.values())


_VARIABLE = re.compile(
    r"\.(?P<space>shared|local|global|const|param)\s+"
    r"(?P<modifiers>(?:\.(?:align\s+\d+|ptr|global|const|attribute\([^)]*\))\s+)*)"
    r"\.(?P<type>\w+)\s+(?:\.ptr\s+)?(?:\.(?:global|const|shared|local)\s+)?(?:\.align\s+\d+\s+)?"
    r"(?P<name>[\w$%]+)\s*(?P<dimensions>(?:\[\s*\d*\s*\])*)\s*(?:=\s*(?P<initial>.*))?$",
    re.DOTALL,
)
_ENTRY = re.compile(
    r"\.entry\s+(?P<name>[\w$]+)\s*(?:\((?P<parameters>[^)]*)\))?(?P<limits>[^{;]*)\{"
    r"|\.func\b[^{;]*(?P<function>[{;])"
)
_STATEMENT = re.compile(
    r"(?:@(?P<negated>!?)\s*(?P<guard>[\w%$]+)\s+)?(?P<opcode>[a-z][\w.:]*)\s*(?P<operands>.*)$",
    re.DOTALL,
)
_OPERAND = re.compile(r"(?:\{[^}]*\}|\[[^\]]*\]|[^,{\[])+")
_LABEL = re.compile(r"\s*([\w$%]+)\s*:(?!:)")


def parse_variable(text):
    """One declaration, without its semicolon; None for what declares nothing."""
    match = _VARIABLE.search(text.strip())
    if match is None:
        return None
    dtype = DTYPES.get(match["type"])
    if dtype is None:
        raise PtxError(f"a variable of type .{match['type']} is not supported: {text.strip()}")
    size = dtype.itemsize
    for count in re.findall(r"\[\s*(\d*)\s*\]", match["dimensions"]):
        size = size * int(count) if count else None
    # A pointer's own .align speaks of what it points to.
    aligned = re.search(r"\.align\s+(\d+)", match["modifiers"].split(".ptr")[0])
    alignment = max(dtype.itemsize, int(aligned[1]) if aligned else 1)
    return Variable(match["space"], match["name"], dtype, alignment, size, match["initial"])


def parse_module(text):
    """(kernels by name, module-level variables by name)."""
    # Comments keep their line ends, so that line numbers stay true.
    text = re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
    outside, bodies, position = [], [], 0
    while match := _ENTRY.search(text, position):
        outside.append(text[position : match.start()])
        position = match.end()
        if match["function"] == ";":
            continue
        position = _closing_brace(text, position)
        if match["name"] is not None:
            bodies.append((match, text[match.end() : position - 1]))
    outside.append(text[position:])
    declared = [parse_variable(statement) for part in outside for statement in part.split(";")]
    variables = {v.name: v for v in declared if v is not None}
    with no_collection():
        kernels = [
            _parse_kernel(m, b, text.count("\n", 0, m.end()) + 1, variables) for m, b in bodies
        ]
    return {kernel.name: kernel for kernel in kernels}, variables


@contextlib.contextmanager
def no_collection():
    """For a hundred thousand objects that all stay: garbage collection took half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _closing_brace(text, position):
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    raise PtxError("a brace that is never closed")


def _parse_kernel(match, body, line, module_variables):
    parameters = [parse_variable(p) for p in (match["parameters"] or "").split(",") if p.strip()]
    kernel = Kernel(match["name"], parameters)
    kernel.variables = {v.name: v for v in [*module_variables.values(), *parameters]}
    for limit in re.findall(r"\.(?:maxntid|reqntid)\s+([\d, ]+)", match["limits"]):
        kernel.most_threads = int(np.prod([int(n) for n in limit.split(",")]))
    _Body(kernel, line).parse(body)
    return kernel


class _Body:
    """Walks the text between a kernel's braces; registers of inner scopes get own names."""

    def __init__(self, kernel, line):
        self.kernel = kernel
        self.line = line
        self.scopes = [{}]

    def parse(self, text):
        position = 0
        while position < len(text):
            if text[position].isspace():
                self.line += text[position] == "\n"
                position += 1
            elif text[position] == "{":
                self.scopes.append({})
                position += 1
            elif text[position] == "}":
                self.scopes.pop()
                position += 1
            elif label := _LABEL.match(text, position):
                position = self.label(label, text)
            else:
                end = text.index(";", position)
                self.statement(" ".join(text[position:end].split()))
                self.line += text.count("\n", position, end)
                position = end + 1

    def label(self, match, text):
        table = re.compile(r"\s*\.branchtargets\s+([^;]*);").match(text, match.end())
        if table:
            self.kernel.branch_tables[match[1]] = [t.strip() for t in table[1].split(",")]
            return table.end()
        self.kernel.labels[match[1]] = len(self.kernel.instructions)
        return match.end()

    def statement(self, text):
        if text.startswith(".reg"):
            self.declare_registers(text)
        elif text.startswith((".shared", ".local", ".global", ".const", ".param")):
            variable = parse_variable(text)
            self.kernel.variables[variable.name] = variable
        elif text and not text.startswith("."):
            self.kernel.instructions.append(self.instruction(text))

    def declare_registers(self, text):
        _, kind, names = text.split(None, 2)
        for name in names.split(","):
            ranged = re.fullmatch(r"\s*(\S+)<(\d+)>\s*", name)
            each = [f"{ranged[1]}{i}" for i in range(int(ranged[2]))] if ranged else [name.strip()]
            for register in each:
                unique = register if len(self.scopes) == 1 else f"{register}@{self.line}"
                self.scopes[-1][register] = unique
                self.kernel.registers[unique] = kind.removeprefix(".")

    def instruction(self, text):
        match = _STATEMENT.match(text)
        if match is None:
            raise PtxError(f"{self.kernel.name}: line {self.line}: cannot read: {text}")
        name, *parts = match["opcode"].split(".")
        known_types = DTYPES.keys() | OTHER_TYPES
        operands = [
            self.operand(o.strip()) for o in _OPERAND.findall(match["operands"]) if o.strip()
        ]
        guard = match["guard"] and Register(self.register(match["guard"]), bool(match["negated"]))
        return Instruction(
            name,
            tuple(p for p in parts if p not in known_types),
            tuple(p for p in parts if p in known_types),
            tuple(operands),
            guard,
            self.line,
            text,
        )

    def register(self, name):
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def operand(self, text):
        if text[0] == "{":
            return Group(tuple(self.operand(part.strip()) for part in text[1:-1].split(",")))
        if text[0] == "[":
            base, _, offset = text[1:-1].partition("+")
            return Address(self.operand(base.strip()), int(offset, 0) if offset else 0)
        if "|" in text:
            return Pair(*(self.operand(part.strip()) for part in text.split("|")))
        if text[0] == "!":
            return Register(self.register(text[1:].strip()), negated=True)
        if text == "_":
            return Register("_")
        if (name := self.register(text)) is not None:
            return Register(name)
        if text[0] == "%":
            return Special(text[1:])
        return literal(text) or Symbol(text)


def literal(text):
    if re.fullmatch(r"0[fF][0-9A-Fa-f]{8}|0[dD][0-9A-Fa-f]{16}", text):
        return Immediate(int(text[2:], 16), float_bytes=(len(text) - 2) // 2)
    if re.fullmatch(r"-?(0[xX][0-9A-Fa-f]+|\d+)U?", text):
        text = text.removesuffix("U")
        octal = re.fullmatch(r"(-?)0([0-7]+)", text)
        return Immediate(int(octal[1] + octal[2], 8) if octal else int(text, 0))
    return None
