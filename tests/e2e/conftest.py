"""Shared fixtures: checkpoints and deltas that no test may change, and the program's own deltas for them."""

import pytest

from .checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from .program import DONE, SOURCE, run
from .sweeping import sweep


@pytest.fixture(scope="session")
def layout():
    return Layout()


@pytest.fixture(scope="session")
def example():
    """The small trained Gemma 4."""
    return SOURCE / "examples" / "tiny-gemma4"


@pytest.fixture(scope="session")
def base(tmp_path_factory, layout):
    """Two shards, bf16, six layers of which the last is global."""
    return write_checkpoint(tmp_path_factory.mktemp("base") / "model", layout)


@pytest.fixture(scope="session")
def delta(tmp_path_factory, layout):
    """A foreign f32 delta for every layer of `base`."""
    return write_foreign_delta(tmp_path_factory.mktemp("delta") / "delta", random_deltas(layout))


@pytest.fixture(scope="session")
def stored(tmp_path_factory, base):
    """What `generate` makes for `base`."""
    folder = tmp_path_factory.mktemp("stored") / "delta"
    run("generate", "--base-model", base, "--output-dir", folder, expect=DONE)
    return folder


@pytest.fixture(scope="session")
def recipe(tmp_path_factory, base):
    """The same as a recipe alone."""
    folder = tmp_path_factory.mktemp("recipe") / "delta"
    run("generate", "--base-model", base, "--output-dir", folder, "--recipe-only", expect=DONE)
    return folder


@pytest.fixture(scope="session")
def done(tmp_path_factory, base, delta):
    """The folder of a sweep of `base` and `delta` that was made in one go."""
    folder = tmp_path_factory.mktemp("done") / "run"
    sweep(base, delta, folder, "--probe-tokens", 3)
    return folder
