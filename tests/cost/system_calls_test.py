"""System calls of a fuse stay within what its design needs: a transfer a piece, and a few calls a file."""

import json
import shutil

import pytest

from cost.counting import system_calls
from e2e.program import DONE, program_path, run

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: tools/setup.sh --cost")

# 32 blocks of 8192 bf16 elements.
PIECE = 32 * 8192 * 2
READS = ("read", "pread64", "readv", "preadv", "preadv2")
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile")
SYNCS = ("fsync", "fdatasync", "syncfs", "sync")
OPENS = ("open", "openat", "openat2")
# How often a thread waits for another, and what the allocator does, is not the design's.
UNCOUNTED = ("futex", "sched_yield", "brk", "mmap", "munmap", "mremap", "madvise", "mprotect")


def tensors(folder):
    """Bytes of each tensor below a folder."""
    found = {}
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                found[name] = entry["data_offsets"][1] - entry["data_offsets"][0]
    return found


def edited(folder, role):
    return [size for name, size in tensors(folder).items() if name.endswith(f"mlp.{role}_proj.weight")]


def size(paths):
    return sum(path.stat().st_size for path in paths)


class Job:
    """What a fuse of a folder of models has to move."""

    def __init__(self, models, weights):
        base, delta = models / "base", models / weights
        self.files = len(list(base.iterdir())) + len(list(delta.iterdir()))
        self.shards = sorted(base.glob("*.safetensors"))
        down, gate = edited(base, "down"), edited(base, "gate")
        stored = tensors(delta).values()
        assert down and gate and bool(stored) == (weights == "stored")
        matrices = len(down) + len(gate)
        # Between the matrices; their pieces end at multiples of a piece in the file, so each has one more.
        gaps = 2 * (len(self.shards) + matrices)
        self.write_bytes = size(self.shards)
        self.write_spans = gaps + matrices
        # A down matrix and its delta are read for their moments first; the start of a delta, for a value but 0.
        self.read_bytes = self.write_bytes + sum(down)
        self.read_spans = self.write_spans + len(down)
        if stored:
            self.read_bytes += sum(stored) + sum(down)
            self.read_spans += len(stored) + len(down) + matrices

    @property
    def reads(self):
        """And of every file its length and header, or its text and its end."""
        return self.read_bytes // PIECE + self.read_spans + 2 * self.files + 8

    @property
    def writes(self):
        return self.write_bytes // PIECE + self.write_spans + self.files + 8


def total(calls, names):
    return sum(calls[name] for name in names)


def others(calls):
    counted = (*READS, *WRITES, *SYNCS, *OPENS, *UNCOUNTED)
    return sum(count for name, count in calls.items() if name not in counted)


def fuse_calls(models, weights, folder, *words):
    """Calls of a fuse, less those of a start of the program."""
    out = folder / "out"
    calls = system_calls([program_path(), "fuse", "--model", models / "base", "--weights", models / weights, "--output", out,
                          "--threads", 1, "--device", "cpu", "--quiet", *words], folder)
    calls.subtract(system_calls([program_path(), "--version"], folder))
    written = len(list(out.iterdir()))
    shutil.rmtree(out)
    return calls, written


@pytest.mark.parametrize("weights", ["stored", "recipe"])
def test_calls_of_a_fuse(models, tmp_path, weights):
    job = Job(models, weights)
    calls, written = fuse_calls(models, weights, tmp_path)
    bounds = {
        "reads": (total(calls, READS), job.reads),
        "writes": (total(calls, WRITES), job.writes),
        # Each file of the output; the folder of the two that are written whole, it at last, and its parent;
        # the journal's first line, its name, and a line a shard.
        "syncs": (total(calls, SYNCS), written + 6 + 2 + len(job.shards)),
        # A source for its header and for its bytes, each file of the output, folders, libraries.
        "opens": (total(calls, OPENS), 2 * job.files + written + 24),
        # Status, descriptor flags and close of each.
        "others": (others(calls), 12 * (job.files + written) + 80),
    }
    print({name: f"{count} of {most}" for name, (count, most) in bounds.items()})
    assert total(calls, WRITES) > 0 and total(calls, SYNCS) >= written, calls
    assert not {name: pair for name, pair in bounds.items() if pair[0] > pair[1]}, calls


def test_without_durability_nothing_is_synced(models, tmp_path):
    calls, _ = fuse_calls(models, "stored", tmp_path, "--durability", "none")
    assert total(calls, (*SYNCS, "sync_file_range")) == 0, calls


def test_only_transfers_grow_with_the_matrices(models, tmp_path):
    """Four times the bytes in as many files: what is no transfer stays as it was."""
    larger = tmp_path / "models"
    larger.mkdir()
    run("synth", "--like", "31b", "--scale", "1/8", "--layers", 2, "--output", larger / "base", expect=DONE)
    run("generate", "--base-model", larger / "base", "--output-dir", larger / "stored", expect=DONE)
    small, large = Job(models, "stored"), Job(larger, "stored")
    assert large.files == small.files and large.read_bytes > 3 * small.read_bytes
    before, _ = fuse_calls(models, "stored", tmp_path)
    after, _ = fuse_calls(larger, "stored", tmp_path)
    assert total(after, READS) <= large.reads and total(after, WRITES) <= large.writes, after
    # Early writeback: one call for 64 MiB.
    writeback = large.write_bytes >> 26
    assert others(after) <= others(before) + writeback + 8, (before, after)
    assert total(after, OPENS) == total(before, OPENS) and total(after, SYNCS) == total(before, SYNCS)
