"""A checkpoint of 20 MB and its deltas, and what makes their costs comparable."""

import pytest

from e2e.program import DONE, run


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with `base`, `stored`, the delta, and `recipe`, the same as a recipe alone."""
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


def make_models(folder):
    run("synth", "--like", "31b", "--scale", "1/16", "--layers", 2, "--output", folder / "base", expect=DONE)
    run("generate", "--base-model", folder / "base", "--output-dir", folder / "stored", expect=DONE)
    run("generate", "--base-model", folder / "base", "--output-dir", folder / "recipe", "--recipe-only", expect=DONE)
