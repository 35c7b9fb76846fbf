"""What needs headers alone reads headers alone: a model of 62 GB, whose weights are holes, takes no time."""

import os
import subprocess
import time

import pytest

from .program import DONE, program_path, run, run_json

SANITIZED = bool(os.environ.get("CONTOURFUSE_SANITIZE"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparse") / "model"
    run("synth", "--like", "31b", "--output", folder, "--sparse", expect=DONE)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("sparse-delta") / "delta"
    run("generate", "--base-model", model, "--output-dir", folder, "--recipe-only", expect=DONE)
    return folder


def seconds(*arguments):
    """The best of five: how long it takes on a machine that is not busy."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run(*arguments, expect=DONE)
        times.append(time.perf_counter() - start)
    return min(times)


def test_sparse_files_have_the_real_size_and_take_no_room(model):
    shards = list(model.glob("*.safetensors"))
    assert sum(path.stat().st_size for path in shards) > 61e9
    assert sum(path.stat().st_blocks * 512 for path in shards) < 10e6
    document = run_json("inspect", model)
    assert len(document["layers"]) == 60 and document["tensor_bytes"] > 61e9
    assert document["layers"][5]["kind"] == "global" and document["layers"][5]["hidden_size"] == 5376


def test_headers_take_at_most_a_second(model, recipe):
    limit = 10 if SANITIZED else 1
    assert seconds("inspect", model) < limit
    dry_run = ["fuse", "--model", model, "--weights", recipe, "--dry-run"]
    assert seconds(*dry_run) < limit
    planned = run_json(*dry_run)
    assert len(planned["matrices"]) == 120 and planned["bytes"]["written"] > 61e9


def test_nothing_that_a_fuse_does_not_need_is_loaded():
    """OpenBLAS would keep every processor busy for a tenth of a second, looking for work."""
    needed = subprocess.run(["readelf", "-d", program_path()], capture_output=True, text=True, check=True).stdout
    assert "libtbb" in needed and "blas" not in needed.lower(), needed


def test_the_program_starts_at_once():
    assert seconds("--version") < (1 if SANITIZED else 0.05)
