"""Every way to read and write gives the same checkpoint, on every filesystem there is; a rate is kept."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from oracle.exact import BF16

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .comparison import shard_hashes
from .program import DONE, refusal, run

METHODS = ["auto", "pread", "mmap", "direct"]


def shift_header(path, bytes_more):
    """Lengthens a safetensors header by spaces, so that no tensor stands where its elements would be aligned."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length] + b" " * bytes_more
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """(base, delta) of round sizes, and of odd ones with odd headers and bytes that no matrix owns."""
    folder = tmp_path_factory.mktemp("io")
    round_base, round_delta = folder / "round", folder / "round-delta"
    run("synth", "--like", "12b", "--output", round_base, "--scale", "1/16", "--layers", "2", expect=DONE)
    run("generate", "--base-model", round_base, "--output-dir", round_delta, expect=DONE)
    layout = Layout(layers=3, hidden=131, width=1027, dtype=BF16)
    extra = {"model.a_table.weight": np.arange(5_000_017, dtype=np.uint8)}
    odd_base = write_checkpoint(folder / "odd", layout, extra=extra)
    odd_delta = write_foreign_delta(folder / "odd-delta", random_deltas(layout))
    for n, path in enumerate(sorted([*odd_base.glob("*.safetensors"), *odd_delta.glob("*.safetensors")])):
        shift_header(path, 2 * n + 1)
    return {"round": (round_base, round_delta), "odd": (odd_base, odd_delta)}


def same_manifest(folder, other):
    return (folder / "contourfuse.json").read_bytes() == (other / "contourfuse.json").read_bytes()


@pytest.fixture(params=["disk", "tmpfs"])
def place(request, tmp_path):
    """A folder on the disk or in /dev/shm."""
    if request.param == "disk":
        yield tmp_path
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    with tempfile.TemporaryDirectory(prefix="contourfuse-io-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("which", ["round", "odd"])
def test_every_method_gives_the_same(place, pairs, which):
    base, delta = pairs[which]
    words = ["--alpha", "0.7", "--rounding", "stochastic", "--durability", "none"]
    if place.parts[1] == "dev":
        # Sources there, too.
        for name, source in (("base", base), ("delta", delta)):
            shutil.copytree(source, place / name)
        base, delta = place / "base", place / "delta"
    plain = place / "plain"
    run("fuse", "--model", base, "--weights", delta, "--output", plain, *words, expect=DONE)
    hashes = shard_hashes(plain)
    for method in METHODS:
        for direct in ([], ["--direct"]):
            out = place / f"{method}{len(direct)}"
            run("fuse", "--model", base, "--weights", delta, "--output", out, *words, "--io", method, *direct, expect=DONE)
            assert shard_hashes(out) == hashes, (method, direct)
            assert same_manifest(out, plain), (method, direct)
            shutil.rmtree(out)


class Mounted:
    """A filesystem in a file, mounted on a folder until the end of the block."""

    def __init__(self, folder, make, kind, size):
        self.image, self.path, self.make, self.kind, self.size = folder / "image", folder / "mounted", make, kind, size

    def __enter__(self):
        self.path.mkdir()
        words = ["mount", "-t", self.kind, "none"]
        if self.make:
            with open(self.image, "wb") as file:
                file.truncate(self.size)
            try:
                subprocess.run([*self.make, self.image], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                pytest.skip(f"{self.make[0]} cannot make the filesystem: {error}")
            words = ["mount", "-t", self.kind, "-o", "loop", self.image]
        done = subprocess.run([*words, self.path], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
        return self.path

    def __exit__(self, *failure):
        subprocess.run(["umount", self.path], check=True)
        self.image.unlink(missing_ok=True)


def used_bytes(folder):
    """What a filesystem holds, once all is on its disk."""
    subprocess.run(["sync", "-f", folder], check=True)
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@needs_root
@pytest.mark.parametrize("direct", [[], ["--direct"]], ids=["cached", "direct"])
@pytest.mark.parametrize("which", ["round", "odd"])
def test_a_clone_holds_only_its_edits(tmp_path, pairs, which, direct):
    base, delta = pairs[which]
    with Mounted(tmp_path, ["mkfs.xfs", "-q", "-m", "reflink=1"], "xfs", 320 << 20) as mounted:
        shutil.copytree(base, mounted / "base")
        shutil.copytree(delta, tmp_path / "delta")
        plain = tmp_path / "plain"
        words = ["--model", mounted / "base", "--weights", tmp_path / "delta", "--layers", "0"]
        document = run("fuse", *words, "--output", plain, "--json", expect=DONE).document
        assert document["bytes"]["cloned"] == 0, "another filesystem cannot share"
        before = used_bytes(mounted)
        cloned = mounted / "out"
        document = run("fuse", *words, "--output", cloned, "--json", *direct, expect=DONE).document
        grown = used_bytes(mounted) - before
        assert shard_hashes(cloned) == shard_hashes(plain)
        assert same_manifest(cloned, plain)
        shards = sum(path.stat().st_size for path in plain.glob("*.safetensors"))
        counts = document["bytes"]
        edited = sum(2 * record["elements"] for record in document["matrices"])
        assert counts["written"] == edited and counts["written"] + counts["cloned"] == shards
        others = sum(path.stat().st_size for path in plain.rglob("*") if path.is_file()) - shards
        # Blocks of the edits' ends, and the filesystem's own notes.
        assert grown < edited + others + (1 << 20) < shards
        run("verify", cloned, "--base", mounted / "base", expect=DONE)


@needs_root
def test_a_clone_on_a_full_disk_is_an_error(tmp_path, pairs):
    base, delta = pairs["round"]
    with Mounted(tmp_path, ["mkfs.xfs", "-q", "-m", "reflink=1"], "xfs", 320 << 20) as mounted:
        shutil.copytree(base, mounted / "base")
        facts = os.statvfs(mounted)
        with open(mounted / "rest", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (facts.f_bfree - 200) * facts.f_frsize)
        error = refusal("fuse", "--model", mounted / "base", "--weights", delta, "--output", mounted / "out", expect=1)
        assert error["kind"] == "io-no-space", error
        assert sorted(os.listdir(mounted)) == ["base", "rest"]


@needs_root
def test_a_clone_needs_room_for_its_edits_alone(tmp_path, pairs):
    """For the whole output there would be none; what the error says is needed is enough."""
    base, delta = pairs["round"]
    with Mounted(tmp_path, ["mkfs.xfs", "-q", "-m", "reflink=1"], "xfs", 320 << 20) as mounted:
        shutil.copytree(base, mounted / "base")
        subprocess.run(["sync", "-f", mounted], check=True)

        def fill(leave):
            (mounted / "rest").unlink(missing_ok=True)
            subprocess.run(["sync", "-f", mounted], check=True)
            facts = os.statvfs(mounted)
            with open(mounted / "rest", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, facts.f_bavail * facts.f_frsize - leave)
            subprocess.run(["sync", "-f", mounted], check=True)

        words = ["fuse", "--model", mounted / "base", "--weights", delta, "--layers", "0", "--output", mounted / "out"]
        fill(1 << 19)
        error = refusal(*words, expect=1)
        needed = int(re.search(r"takes (\d+) bytes", error["message"])[1])
        edited = 2 * 240 * 960 * 2
        whole = sum(path.stat().st_size for path in base.iterdir())
        assert edited <= needed < edited + (100 << 10) < whole / 2, (edited, needed, whole)
        assert refusal(*words, "--dry-run", expect=3)["kind"] == "io-no-space"
        assert sorted(os.listdir(mounted)) == ["base", "rest"]
        fill(needed + (4 << 20))  # and the filesystem's own notes
        run(*words, expect=DONE)
        run("verify", mounted / "out", "--base", mounted / "base", expect=DONE)


@needs_root
def test_a_filesystem_without_direct_transfers_is_said_once(tmp_path, pairs):
    base, delta = pairs["odd"]
    with Mounted(tmp_path, None, "ramfs", 0) as mounted:
        shutil.copytree(base, mounted / "base")
        for words, notes in ((["--direct"], 2), (["--io", "direct"], 1), ([], 0)):
            outcome = run("fuse", "--model", mounted / "base", "--weights", delta, "--output", mounted / "out", "--overwrite", *words, expect=DONE)
            assert len(re.findall("^note: The .*refuses direct", outcome.out, re.MULTILINE)) == notes, outcome
        run("verify", mounted / "out", "--base", mounted / "base", expect=DONE)


def test_a_rate_is_kept(tmp_path, pairs):
    base, delta = pairs["odd"]
    words = ["fuse", "--model", base, "--weights", delta, "--durability", "none"]
    moved = run(*words, "--output", tmp_path / "free", "--json", expect=DONE).document["bytes"]
    rate = (moved["read"] + moved["written"]) // 2
    start = time.monotonic()
    document = run(*words, "--output", tmp_path / "held", "--limit-rate", f"{rate}B", "--json", expect=DONE).document
    took = time.monotonic() - start
    # Two seconds of turns, less the last ones and the first credit; slow machines take longer.
    assert document["seconds"] > 1.3, document["seconds"]
    assert took < 12, took
    assert same_manifest(tmp_path / "held", tmp_path / "free")


@pytest.mark.parametrize("command", ["verify", "diff", "generate"])
def test_other_commands_keep_a_rate(tmp_path, pairs, command):
    base, delta = pairs["odd"]
    run("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out", expect=DONE)
    bytes_of = lambda folder: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    words, moved = {
        "verify": (["verify", tmp_path / "out"], bytes_of(tmp_path / "out")),
        "diff": (["diff", base, tmp_path / "out"], 2 * bytes_of(base)),
        "generate": (["generate", "--base-model", base, "--output-dir", tmp_path / "delta"], 3 * 3 * 131 * 1027 * 2),
    }[command]
    start = time.monotonic()
    run(*words, "--limit-rate", str(moved), expect=DONE)
    assert time.monotonic() - start > 0.5


@pytest.mark.parametrize("value", ["0", "-1", "fast", "1.5GB"])
def test_a_rate_that_is_none(tmp_path, pairs, value):
    base, delta = pairs["odd"]
    refusal("fuse", "--model", base, "--weights", delta, "--output", tmp_path / "out", f"--limit-rate={value}", expect=2)
