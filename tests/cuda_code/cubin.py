"""What the compiler made of the kernels: registers and memory per kernel and architecture, and the
machine instructions, as cuobjdump and nvdisasm print them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

FUNCTION = re.compile(r"^\s*Function\s*:?\s*(\S+?):?\s*$")
USAGE = re.compile(r"\b(REG|STACK|SHARED|LOCAL):(\d+)")
ARCHITECTURE = re.compile(r"^arch = (sm_\w+)")
# /*0910*/   @P1 LDG.E.128 R40, desc[UR10][R20.64] ;   /* encoding */
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)")


def find_tool(name):
    """Path of a tool of the CUDA toolkit or of its PyPI wheel, or None."""
    beside_python = pathlib.Path(sys.prefix).glob(f"lib/python*/site-packages/nvidia/*/bin/{name}")
    for path in [*beside_python, pathlib.Path("/usr/local/cuda/bin") / name]:
        if path.is_file():
            os.chmod(path, 0o755)  # wheels do not keep the mode
            return path
    return shutil.which(name)


def _run(arguments):
    # cuobjdump starts nvdisasm from the path.
    tools = [str(pathlib.Path(find_tool(name)).parent) for name in ("cuobjdump", "nvdisasm")]
    environment = {**os.environ, "PATH": os.pathsep.join([*tools, os.environ.get("PATH", "")])}
    return subprocess.run([find_tool("cuobjdump"), *arguments], check=True, capture_output=True,
                          text=True, env=environment).stdout


OURS = re.compile(r"(?:void )?contourfuse::device::")


def demangled(names):
    """Short readable names: `scf_kernel<Bf16, F32, gate, stochastic>`. Of our own kernels alone: those
    that Thrust makes are not here."""
    text = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True,
                          text=True).stdout
    return {name: _short(line) for name, line in zip(names, text.splitlines()) if OURS.match(line)}


def _short(name):
    name = re.sub(r"contourfuse::(?:device::)?", "", name)
    name = re.sub(r"^void ", "", name)
    name = name.replace("(ScfRole)0", "down").replace("(ScfRole)1", "gate")
    name = re.sub(r"(down|gate), false>", r"\1, nearest>", name)
    name = re.sub(r"(down|gate), true>", r"\1, stochastic>", name)
    return re.sub(r"\(.*\)$", "", name)


def resource_usage(library):
    """{(architecture, kernel): {"REG": …, "STACK": …, "SHARED": …, "LOCAL": …}}"""
    found, architecture, function = {}, None, None
    for line in _run(["-res-usage", str(library)]).splitlines():
        if match := ARCHITECTURE.match(line):
            architecture = match[1]
        elif match := FUNCTION.match(line):
            function = match[1]
        elif function and "REG:" in line:
            found[architecture, function] = {key: int(value) for key, value in USAGE.findall(line)}
            function = None
    names = demangled(sorted({name for _, name in found}))
    return {(arch, names[name]): usage for (arch, name), usage in found.items() if name in names}


def instructions(library, architecture):
    """{kernel: [opcode, …]} in program order."""
    found, function = {}, None
    for line in _run(["-sass", "-arch", architecture, str(library)]).splitlines():
        if match := FUNCTION.match(line):
            function = found.setdefault(match[1], [])
        elif function is not None and (match := INSTRUCTION.match(line)):
            function.append(match[1])
    names = demangled(sorted(found))
    return {names[name]: code for name, code in found.items() if name in names}
