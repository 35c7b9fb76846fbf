"""Runs the program with the library that counts, records, fails or ends its calls on the disk."""

import os
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from e2e.program import SOURCE, program_path, run

LIBRARY = Path(os.environ.get("CONTOURFUSE_BUILD_DIR", SOURCE / "build/release")) / "tests/faults/libdisk_faults.so"
SANITIZED = os.environ.get("CONTOURFUSE_SANITIZE", "")
KILLED = -signal.SIGKILL
TRANSFERS = ("write", "copy")


@dataclass(frozen=True)
class Call:
    """A call that changed the disk; `data` are the bytes of a write."""

    name: str
    result: int
    path: str
    other: str
    offset: int
    bytes: int
    data: bytes = b""


def preload(watch, *rules, log=None, data=None):
    """Environment variables: what watched_call.hpp says of them."""
    if "thread" in SANITIZED:
        pytest.skip("TSan follows every descriptor by its own interposed calls, which these would hide")
    assert LIBRARY.is_file(), f"{LIBRARY} is missing: build disk_faults, or set CONTOURFUSE_BUILD_DIR"
    found = {"LD_PRELOAD": str(LIBRARY), "FAULTS_WATCH": str(Path(watch).resolve()), "FAULTS_RULES": ";".join(rules)}
    if SANITIZED:
        found["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {name: value for name, value in found.items() if value} | {
        name: str(path) for name, path in (("FAULTS_LOG", log), ("FAULTS_DATA", data)) if path
    }


def run_with(watch, rules, *words, **options):
    """A run under some rules."""
    return run(*words, environment=preload(watch, *rules), **options)


def start_with(watch, rules, *words, **options):
    """The same, not waited for."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "CONTOURFUSE"))}
    environment |= preload(watch, *rules) if rules else {}
    return subprocess.Popen([program_path(), *map(str, words)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def read_log(log, data=None, kind="1"):
    """The calls that changed the disk, or with kind "0" those that read it."""
    written = data.read_bytes() if data and data.exists() else b""
    calls = []
    for line in log.read_text().splitlines():
        name, changes, result, path, other, offset, count, place = line.split("\t")
        if changes == kind and result != "killed":
            call = Call(name, int(result), path, other, int(offset), int(count))
            calls.append(call if int(place) < 0 else replace(call, data=written[int(place) : int(place) + int(count)]))
    return calls


def recorded(watch, folder, *words, kind="1", rules=(), expect=0):
    """The calls of a run; the records lie in `folder`, outside of what is watched."""
    log, data = folder / "calls", folder / "written"
    for path in (log, data):
        path.unlink(missing_ok=True)
    run(*words, environment=preload(watch, *rules, log=log, data=data), expect=expect)
    return read_log(log, data, kind)
