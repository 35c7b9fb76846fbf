"""Runs the program under test, whose path is in CONTOURFUSE."""

import json
import os
import subprocess
from pathlib import Path

SOURCE = Path(os.environ.get("CONTOURFUSE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
DONE, FAILED, USAGE, BAD_INPUT, INCOMPLETE = 0, 1, 2, 3, 75


def program_path():
    path = os.environ.get("CONTOURFUSE", str(SOURCE / "build/release/bin/contourfuse"))
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is no program: build it, or set CONTOURFUSE")
    return path


class Outcome:
    """Exit code, standard output and standard error of one run."""

    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    @property
    def document(self):
        """The one JSON document on standard output."""
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out[-3000:]}\n--- err\n{self.err[-3000:]}"


def run(*arguments, program=None, environment=None, cwd=None, expect=None):
    """Runs it without a terminal and with no hub cache but the one that `environment` gives."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "CONTOURFUSE"))}
    env["HOME"] = env["HF_HOME"] = "/nonexistent"
    env |= environment or {}
    command = [str(program or program_path()), *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=120, stdin=subprocess.DEVNULL)
    outcome = Outcome(completed)
    if expect is not None:
        assert outcome.code == expect, f"{' '.join(command)}\n{outcome!r}"
    return outcome


def run_json(*arguments, **options):
    """The document of a run with --json that ends well."""
    return run(*arguments, "--json", expect=DONE, **options).document


def refusal(*arguments, expect=BAD_INPUT, **options):
    """The error object of a run with --json that is refused; checks the shape of both outputs."""
    outcome = run(*arguments, "--json", expect=expect, **options)
    error = outcome.document["error"]
    assert set(error) == {"kind", "message", "file", "tensor", "offset", "hint"}, error
    first, *rest = outcome.err.strip().splitlines()
    assert first.startswith("contourfuse: error: "), outcome.err
    assert all(line.startswith("hint: ") for line in rest), outcome.err
    assert error["kind"] and error["message"]
    return error


def snapshot(folder):
    """Relative path -> bytes of everything below a folder, links followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }
