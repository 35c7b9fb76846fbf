"""Fixtures: folders with a tiny checkpoint and deltas for it, each test's own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from e2e.checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from e2e.program import DONE, run

from .preloaded import preload
from .scene import Scene

LAYOUT = Layout(layers=3, hidden=24, width=40, shards=3)


# No command here multiplies matrices; the library's threads are most of a short run's time.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """base (three shards, side files, a folder of them), a stored delta, and a recipe."""
    preload(".")  # skips where the library cannot be used
    folder = tmp_path_factory.mktemp("models")
    write_checkpoint(folder / "base", LAYOUT)
    write_foreign_delta(folder / "stored", random_deltas(LAYOUT))
    run("generate", "--base-model", folder / "base", "--output-dir", folder / "recipe", "--recipe-only", expect=DONE)
    return folder


@pytest.fixture(scope="session")
def memory(tmp_path_factory):
    """A folder in memory, if there is room for one: waiting for a disk a thousand times takes minutes."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(prefix="contourfuse-faults-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def scene(memory, tmp_path, models):
    """A copy of the models in a folder that is watched, and one for records beside it."""
    root = memory / tmp_path.name / "disk"
    shutil.copytree(models, root)
    yield Scene(root, tmp_path)
    shutil.rmtree(root.parent)


@pytest.fixture
def scene_on_disk(tmp_path, models):
    """The same on a disk, which takes transfers past the page cache."""
    shutil.copytree(models, tmp_path / "disk")
    return Scene(tmp_path / "disk", tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)
