"""Counts of a command's instructions, by callgrind, and of its system calls, by strace."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path


def environment():
    """Nothing that changes what the loader looks for, or what a library chooses."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C"}


def traced(command, folder):
    """Runs it in `folder`; its standard output."""
    completed = subprocess.run([str(word) for word in command], cwd=folder, env=environment(), text=True,
                               capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
    assert completed.returncode == 0, f"{' '.join(map(str, command))}\n{completed.stdout}{completed.stderr}"
    return completed.stdout


def own_instructions(profile, program):
    """Instructions of `program`'s own code in a file of callgrind: libraries are left out, whose choices
    depend on the processor."""
    objects, current, total, inclusive = {}, None, 0, False
    with open(profile, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("ob=", "cob=")):
                key, number, name = re.fullmatch(r"(c?ob)=\((\d+)\)(?: (.*))?", line.rstrip()).groups()
                objects.setdefault(number, name)
                current = number if key == "ob" else current
            elif line.startswith("calls="):
                inclusive = True  # the next line is what the callee cost
            elif line[0] in "0123456789+-*":
                if not inclusive and objects[current] == str(program):
                    total += int(line.split()[1])
                inclusive = False
    assert total > 0, f"{profile} knows nothing of {program}"
    return total


def callgrind(command, folder, *options):
    """Profiles of a command, in the order in which they were taken; its standard output."""
    profiles = Path(folder) / "callgrind.out"
    for old in Path(folder).glob("callgrind.out*"):
        old.unlink()
    out = traced(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={profiles}", *options, *command], folder)
    taken = sorted(Path(folder).glob("callgrind.out.*"), key=lambda path: int(path.suffix[1:]))
    return [*taken, profiles], out


def instructions(command, folder):
    """Instructions of the program's own code in a whole run."""
    program = Path(command[0]).resolve()
    profiles, _ = callgrind([program, *command[1:]], folder)
    return own_instructions(profiles[-1], program)


def instructions_of_calls(program, function, folder):
    """The same in each call of one function, and the program's standard output."""
    program = Path(program).resolve()
    profiles, out = callgrind([program], folder, f"--zero-before={function}", f"--dump-after={function}")
    return [own_instructions(profile, program) for profile in profiles[:-1]], out


def system_calls(command, folder):
    """Calls that did not fail, by name."""
    table = Path(folder) / "strace.out"
    traced(["strace", "-f", "-c", "-o", table, *command], folder)
    found = Counter()
    for line in table.read_text().splitlines():
        # share, seconds, each, calls, failures if any, name
        match = re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:(\d+)\s+)?([a-z]\w*)", line)
        if match and match[3] != "total":
            found[match[3]] += int(match[1]) - int(match[2] or 0)
    assert found, table.read_text()
    return found
