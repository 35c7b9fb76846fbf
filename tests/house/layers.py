"""The rules of the house, checked on the text of the sources: who may include whom, which names
mirror which, and a few things that no file may do.

Usage: layers.py [ROOT]; prints one line per finding, exit status 1 if there is any.
"""

import pathlib
import re
import sys

MAY_INCLUDE_OF_BACKENDS = [
    "fusion/backend.hpp", "fusion/finished_shards.hpp", "fusion/shard_passages.hpp",
    "sweep/backend.hpp", "sweep/grid.hpp", "sweep/grid_rules.hpp", "sweep/grid_tally.hpp", "sweep/products.hpp",
    "io", "numeric", "core",
]

# What a layer's files may include, beside the layer's own. An entry with a slash after the layer
# is that one header only.
MAY_INCLUDE = {
    "core": [],
    "numeric": ["core"],
    "io": ["core"],
    "model": ["io", "numeric", "core"],
    "neuron": ["model", "io", "numeric", "core"],
    "fusion": ["neuron", "model", "io", "numeric", "core"],
    "sweep": ["fusion", "neuron", "model", "io", "numeric", "core"],
    "measure": ["fusion", "model", "io", "numeric", "core"],
    "report": ["core"],
    "backend/cpu": MAY_INCLUDE_OF_BACKENDS,
    "backend/cuda": MAY_INCLUDE_OF_BACKENDS,
}

# What a layer's tests may include beside that.
TESTS_MAY_INCLUDE = {
    "backend/cuda": ["backend/cpu", "neuron"],  # results are compared; deltas are made from recipes
}

# Folders of cuda/, from where its includes are written.
CUDA_FOLDERS = ("kernels/", "launch/", "device/", "pipeline/", "grid/")

# Files that mirror no name, each with its reason.
NOT_MIRRORED = {
    "src/backend/cpu/kernels.cpp": "compiled once per instruction-set level; its header is private",
    "src/backend/cpu/bf16_grid_kernels.cpp":
        "compiled once per instruction-set level; its table is in grid_kernels.hpp",
    "src/backend/cpu/dispatch.cpp": "chooses among the levels of kernels.cpp",
    "src/neuron/generator_kernels.cpp": "compiled once per instruction-set level",
    "tests/io/attacks_test.cpp": "runs the folder of broken files, tests/io/attacks",
    "tests/fusion/attacks_test.cpp": "runs the folders of broken files, tests/fusion/attacks",
    "tests/model/attacks_test.cpp": "runs the folders of broken files, tests/model/attacks",
    "tests/neuron/attacks_test.cpp": "runs the folders of broken files, tests/neuron/attacks",
    "tests/sweep/attacks_test.cpp": "runs the folders of broken files, tests/sweep/attacks",
    "tests/backend/cuda/pipeline/device_failures_test.cpp": "the whole pipeline, whatever fails",
}

# The one file that may ask which compiler compiles it.
CUDACC_HEADER = "include/contourfuse/numeric/host_device.hpp"

VAGUE_NAMES = {"util", "utils", "common", "helper", "helpers", "misc", "manager"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# Where a library would end or print by itself; those are the program's to do.
NOT_IN_A_LIBRARY = re.compile(
    r"\b(?:std::)?(?:abort|_?exit|quick_exit|terminate)\s*\(|\bstd::(?:cout|cerr|clog)\b"
    r"|\b(?:std::)?f?printf\s*\(|\bfmt::print\s*\(")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def layer_of(path):
    """The layer that a file's path (relative to the root, as text) lies in, or None."""
    for prefix in ("include/contourfuse/", "src/", "tests/"):
        if path.startswith(prefix):
            inside = path[len(prefix):]
            for layer in MAY_INCLUDE:
                if inside.startswith(layer + "/"):
                    return layer
    if path.startswith("cuda/"):
        return "backend/cuda"
    return None


def included_layer(target):
    """The layer and the header inside it that an include names, or None if it is not ours."""
    if target.startswith("contourfuse/"):
        target = target[len("contourfuse/"):]
    elif target.count("/") == 0:
        return None
    elif target.startswith(CUDA_FOLDERS):
        return "backend/cuda", target
    for layer in MAY_INCLUDE:
        if target.startswith(layer + "/"):
            return layer, target
    return None


def without_comments_and_strings(text):
    return COMMENT_OR_STRING.sub(lambda m: '""' if m[0][0] == '"' else " ", text)


def include_findings(path, text):
    own = layer_of(path)
    for quote, target in INCLUDE.findall(text):
        if target.startswith("../") or "/../" in target:
            yield f"{path}: includes {target}: name a header from the root of include/ or src/"
        if own is not None and quote == "<" and target.startswith("contourfuse/"):
            yield f"{path}: includes <{target}>: write our own headers with quotes"
        named = included_layer(target)
        if own is None or named is None or named[0] == own:
            continue
        layer, header = named
        allowed = MAY_INCLUDE[own]
        if path.startswith("tests/"):
            allowed = allowed + TESTS_MAY_INCLUDE.get(own, [])
        if layer not in allowed and header not in allowed:
            yield (f"{path}: layer {own} may not include {target}; "
                   f"it may include {', '.join(allowed) or 'nothing of ours'}")


def file_findings(path, text):
    name = pathlib.PurePosixPath(path)
    if VAGUE_NAMES & set(name.stem.split("_")):
        yield f"{path}: a name that says nothing: {', '.join(sorted(VAGUE_NAMES))}"
    if not text.startswith("//"):
        yield f"{path}: its first line is a comment that says what the file is"
    code = without_comments_and_strings(text)
    if "__CUDACC__" in code and path != CUDACC_HEADER:
        yield f"{path}: only {CUDACC_HEADER} asks for __CUDACC__"
    if name.suffix in (".hpp", ".cuh"):
        if "#pragma once" not in code:
            yield f"{path}: no #pragma once"
        if re.search(r"\busing\s+namespace\b", code):
            yield f"{path}: using namespace in a header"
    if path.startswith(("src/", "include/", "cuda/")):
        for found in NOT_IN_A_LIBRARY.findall(code):
            yield f"{path}: a library does not print or end the program: {found.strip()}"


def mirror_findings(path, files):
    if not path.startswith("src/") or not path.endswith(".cpp") or path in NOT_MIRRORED:
        return
    # A long implementation may be split: synth_weights.cpp is a part of what synth.hpp declares.
    stem = path[len("src/"):-len(".cpp")]
    parts = pathlib.PurePosixPath(stem).name.split("_")
    folder = stem[:len(stem) - len("_".join(parts))]
    for count in range(len(parts), 0, -1):
        name = folder + "_".join(parts[:count])
        if f"include/contourfuse/{name}.hpp" in files or f"src/{name}.hpp" in files:
            return
    yield f"{path}: has neither include/contourfuse/{stem}.hpp nor a private src/{stem}.hpp"


def test_mirror_findings(path, files):
    layer = layer_of(path)
    if not path.startswith("tests/") or layer is None or not path.endswith("_test.cpp"):
        return
    if path in NOT_MIRRORED:
        return
    inside = path[len("tests/"):-len("_test.cpp")]
    homes = [f"include/contourfuse/{inside}.hpp", f"src/{inside}.hpp", f"src/{inside}.cpp"]
    if layer == "backend/cuda":
        homes.append(f"cuda/{inside[len(layer) + 1:]}.hpp")
    if not any(home in files for home in homes):
        yield f"{path}: tests nothing of that name in layer {layer}"


def findings(root):
    root = pathlib.Path(root)
    files = set()
    for top in ("include", "src", "cuda", "tools", "tests", "bench"):
        for suffix in ("hpp", "cpp", "cuh", "cu"):
            files.update(p.relative_to(root).as_posix() for p in (root / top).rglob(f"*.{suffix}"))
    found = []
    for path in sorted(files):
        text = (root / path).read_text(encoding="utf-8")
        found += include_findings(path, text)
        found += file_findings(path, text)
        found += mirror_findings(path, files)
        found += test_mirror_findings(path, files)
    return found, len(files)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    found, count = findings(root)
    for line in found:
        print(line)
    print(f"{count} files, {len(found)} findings")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
