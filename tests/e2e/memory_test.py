"""The peak of anonymous memory stays below 64 MB, or 512 MB past the page cache, however large the checkpoint is."""

import re
import subprocess
import time

from .program import DONE, program_path, run

LIMIT_KB = 64 * 1024
DIRECT_LIMIT_KB = 512 * 1024


def peak_anonymous_kb(command):
    """Runs it, reading RssAnon of /proc every few milliseconds; the largest seen, and how often it was read."""
    process = subprocess.Popen([program_path(), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = reads = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                found = re.search(r"RssAnon:\s+(\d+) kB", file.read())
        except (FileNotFoundError, ProcessLookupError):
            break
        if found:
            peak, reads = max(peak, int(found.group(1))), reads + 1
        time.sleep(0.003)
    error = process.communicate()[1]
    assert process.returncode == DONE, error
    return peak, reads


def test_memory_does_not_grow_with_the_model(tmp_path):
    import os

    sanitized = os.environ.get("CONTOURFUSE_SANITIZE")
    if sanitized:
        # A sanitizer's shadow memory is anonymous too; only that the run ends well is looked at.
        limit = 1 << 30
    else:
        limit = LIMIT_KB
    base = tmp_path / "base"
    run("synth", "--like", "31b", "--output", base, "--scale", "1/8", "--layers", "18", expect=DONE)
    size = sum(f.stat().st_size for f in base.iterdir())
    assert size > 200 << 20
    run("generate", "--base-model", base, "--output-dir", tmp_path / "recipe", "--recipe-only", expect=DONE)
    peak, reads = peak_anonymous_kb(["generate", "--base-model", base, "--output-dir", tmp_path / "stored", "--layers", "0-5"])
    assert reads > 3 and peak < limit, peak
    for weights in ("recipe", "stored"):
        out = tmp_path / f"out-{weights}"
        peak, reads = peak_anonymous_kb(["fuse", "--model", base, "--weights", tmp_path / weights, "--output", out])
        assert reads > 10 and peak < limit, f"{weights}: {peak} kB"
    peak, _ = peak_anonymous_kb(["fuse", "--model", base, "--weights", tmp_path / "stored", "--output", tmp_path / "out-direct", "--direct"])
    assert peak < max(limit, DIRECT_LIMIT_KB), f"direct: {peak} kB"
    peak, _ = peak_anonymous_kb(["verify", tmp_path / "out-recipe", "--base", base])
    assert peak < limit, f"verify: {peak} kB"
