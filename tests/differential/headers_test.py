"""Our reader of safetensors headers against the safetensors library, on random files: they agree, or
differ in a way that docs/formats.md lists.

CONTOURFUSE_SEED and CONTOURFUSE_CASES give other files, and more of them.
"""

import json
import os
import random
import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import safetensors

from header_cases import make_case

SOURCE = Path(os.environ.get("CONTOURFUSE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("CONTOURFUSE_BUILD_DIR", SOURCE / "build/release"))
SEED = int(os.environ.get("CONTOURFUSE_SEED", 7))
CASES = int(os.environ.get("CONTOURFUSE_CASES", 20000))
ACCEPTED = "accepted"

# What the readers differ in: the rule, what ours says, what theirs says. The rules are those of the
# table in docs/formats.md.
DIFFERENCES = [
    ("a tensor name twice", "duplicate-key: a tensor of this name stands twice", ACCEPTED),
    ("a metadata key twice", "duplicate-key: the metadata key .* stands twice", ACCEPTED),
    ("a field that is unknown", "bad-field: the field .* is extra", ACCEPTED),
    ("a field that is unknown", "header-too-deep", ACCEPTED),
    ("a tensor as a list", "bad-field: a tensor must be an object .* not an array", ACCEPTED),
    ("a dtype as an object", 'bad-field: the field "dtype" must be a string, not an object', ACCEPTED),
    ("metadata null", 'bad-metadata: "__metadata__" must be an object, not null', ACCEPTED),
    ("space before the object", "header-not-json: .* it must begin with", ACCEPTED),
    ("tabs or newlines after it", "header-not-json: only spaces may follow", ACCEPTED),
    ("a 0 beside an overflow", ACCEPTED, "overflow computing buffer size"),
]


def by_ours(files):
    """One document a file."""
    data = b"".join(struct.pack("<I", len(file)) + file for file in files)
    completed = subprocess.run([BUILD / "bin" / "read_headers"], input=data, capture_output=True,
                               check=False)
    assert completed.returncode == 0, completed.stderr.decode()
    lines = completed.stdout.split(b"\n")[:-1]
    assert len(lines) == len(files)
    return map(json.loads, lines)


def by_theirs(file):
    """Tensors by name, or the message."""
    try:
        return {name: (tensor["dtype"], list(tensor["shape"]), bytes(tensor["data"]))
                for name, tensor in safetensors.deserialize(file)}
    except safetensors.SafetensorError as error:
        return str(error)


def difference(ours, theirs):
    """The rule that says why they differ, or None."""
    said = f"{ours['refused']}: {ours['message']}" if "refused" in ours else ACCEPTED
    heard = theirs if isinstance(theirs, str) else ACCEPTED
    for rule, our_pattern, their_pattern in DIFFERENCES:
        if re.search(our_pattern, said) and re.search(their_pattern, heard):
            return rule
    return None


def tensors_of(ours, file):
    return {name: (dtype, shape, file[begin:end])
            for name, dtype, shape, begin, end in ours["tensors"]}


@pytest.fixture(scope="module")
def files():
    print(f"CONTOURFUSE_SEED={SEED} CONTOURFUSE_CASES={CASES}")
    source = random.Random(SEED)
    return [make_case(source) for _ in range(CASES)]


def test_agrees_with_the_library(files):
    """Both refuse, or both accept and say the same, or the table has the difference."""
    seen, agreed = Counter(), Counter()
    for file, ours in zip(files, by_ours(files)):
        theirs = by_theirs(file)
        refused = "refused" in ours
        if refused != isinstance(theirs, str):
            rule = difference(ours, theirs)
            assert rule is not None, f"{file!r}\nours: {ours}\ntheirs: {theirs}"
            seen[rule] += 1
        elif not refused:
            assert tensors_of(ours, file) == theirs, file
            agreed["accepted"] += 1
        else:
            agreed[ours["refused"]] += 1
    print(dict(seen), dict(agreed))
    # What is never met is not tested: every difference, every rule but the length limit's two.
    if CASES >= 20000:
        assert set(seen) == {rule for rule, _, _ in DIFFERENCES}
        assert agreed["accepted"] > CASES / 20
        assert set(agreed) >= {
            "file-too-short", "header-past-end", "header-too-long", "header-not-utf8",
            "header-not-json", "duplicate-key", "unknown-dtype", "bad-field", "bad-metadata",
            "size-overflow", "begin-after-end", "size-mismatch", "not-contiguous", "sub-byte-size",
            "header-too-deep"}


def test_reads_the_same_metadata(files, tmp_path):
    """Of the files that both accept and that have any."""
    compared = 0
    for file, ours in zip(files, by_ours(files)):
        if compared == 300 or "refused" in ours or not ours["metadata"]:
            continue
        if isinstance(by_theirs(file), str):
            continue
        path = tmp_path / "case.safetensors"
        path.write_bytes(file)
        with safetensors.safe_open(path, framework="np") as opened:
            assert opened.metadata() == ours["metadata"], file
        compared += 1
    assert compared > 100


def test_the_table_of_the_documentation_is_whole():
    """As many rows as there are rules."""
    text = (SOURCE / "docs" / "formats.md").read_text()
    rows = re.search(r"\| in a file \|.*?\n\| ---.*?\n(.*?)\n\n", text, re.DOTALL)[1].split("\n")
    listed = sum(2 if "twice, a metadata key twice" in row else 1 for row in rows)
    assert listed == len({rule for rule, _, _ in DIFFERENCES})
