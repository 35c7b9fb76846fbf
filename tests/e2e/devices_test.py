"""Devices: what is listed, what is refused and how, and when the CPU steps in. Runs on machines with and without a GPU."""

import os
from pathlib import Path

import pytest

from .program import DONE, FAILED, USAGE, refusal, run, run_json, snapshot

FAKE = Path(os.environ["CONTOURFUSE_BUILD_DIR"], "tests/backend/cuda/fake_module/libfake_cuda_module.so")


def with_module(path, **more):
    return {"CONTOURFUSE_CUDA_MODULE": str(path), **more}


def cuda_reason(environment=None):
    """Why CUDA cannot be used, or None if it can."""
    listed = run_json("devices", environment=environment)["devices"]
    cuda = [d for d in listed if d["backend"] == "cuda"]
    assert cuda, listed
    return None if any(d["usable"] for d in cuda) else cuda[0]["reason"]


@pytest.fixture
def fuse_words(tmp_path, base, stored):
    return ["fuse", "--model", base, "--weights", stored, "--output", tmp_path / "out"]


def test_the_list():
    document = run_json("devices")
    assert document["schema"] == "contourfuse.devices/1"
    cpu, *cuda = document["devices"]
    assert cpu["backend"] == cpu["device"] == "cpu" and cpu["usable"] and cpu["reason"] is None
    usable = [d for d in cuda if d["usable"]]
    assert document["auto"] == ("cuda" if usable else "cpu")
    for device in cuda:
        assert set(device) == {"backend", "device", "description", "compute_capability", "memory", "usable", "reason"}
        assert device["usable"] == (device["reason"] is None)
    text = run("devices", expect=DONE).out
    assert f"auto uses: {document['auto']}" in text
    for device in document["devices"]:
        shown = device["description"] if device["usable"] else device["reason"]
        assert shown and "\n" not in shown and shown in text


def test_cuda_where_it_cannot_be_used(fuse_words, tmp_path):
    reason = cuda_reason()
    if reason is None:
        pytest.skip("this machine has a GPU")
    for device in ("cuda", "cuda:0"):
        error = refusal(*fuse_words, "--device", device)
        assert error["kind"] == "device-unavailable" and reason in error["message"] and "--device cpu" in error["hint"]
    assert not (tmp_path / "out").exists()
    outcome = run(*fuse_words, "--device", "auto", expect=DONE)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("damage", ["missing", "no library", "another library", "another version"])
def test_a_module_that_cannot_be_loaded(tmp_path, fuse_words, damage):
    environment = with_module(tmp_path / "module.so")
    if damage == "no library":
        (tmp_path / "module.so").write_text("no library")
    elif damage == "another library":
        (tmp_path / "module.so").symlink_to(next(Path("/usr/lib").rglob("libtbb.so.12")))
    elif damage == "another version":
        environment = with_module(FAKE, FAKE_CUDA_VERSION="99.1.2")
    reason = cuda_reason(environment)
    assert ("99.1.2" if damage == "another version" else str(tmp_path / "module.so")) in reason
    error = refusal(*fuse_words, "--device", "cuda", environment=environment)
    assert error["kind"] == "device-unavailable" and reason in error["message"]
    outcome = run(*fuse_words, environment=environment, expect=DONE)
    # What is there and does not work is told; what is not there is missed by nobody.
    assert (reason in outcome.err) == (damage != "missing")


def test_devices_of_a_module(fuse_words):
    environment = with_module(FAKE)
    document = run_json("devices", environment=environment)
    assert document["auto"] == "cuda"
    _, first, second = document["devices"]
    assert (first["device"], first["usable"], first["compute_capability"], first["memory"]) == ("cuda:0", True, "9.0", 80_000_000_000)
    assert (second["device"], second["usable"]) == ("cuda:2", False) and "too old" in second["reason"]
    text = run("devices", environment=environment, expect=DONE).out
    assert "cuda:0" in text and "Fake GPU" in text and "too old" in text and "auto uses: cuda" in text

    error = refusal(*fuse_words, "--device", "cuda:0,1", environment=environment)
    assert error["kind"] == "device-unavailable" and "no cuda:1" in error["message"] and "cuda:0, cuda:2" in error["message"]
    error = refusal(*fuse_words, "--device", "cuda:2", environment=environment)
    assert error["kind"] == "device-unavailable" and "too old" in error["message"]
    assert run(*fuse_words, "--device", "cuda:0,0").code == USAGE


def test_the_cpu_steps_in_for_auto_alone(fuse_words, tmp_path):
    environment = with_module(FAKE)
    for device in ("cuda", "cuda:0"):
        error = refusal(*fuse_words, "--device", device, environment=environment, expect=FAILED)
        assert error["kind"] == "device-memory" and "Fake GPU" in error["message"]
    assert not (tmp_path / "out").exists()
    outcome = run(*fuse_words, environment=environment, expect=DONE)
    assert "note: the CPU is used: cuda:0, Fake GPU" in outcome.err and "512000000" in outcome.err
    here = snapshot(tmp_path / "out")
    quiet = run(*fuse_words, "--quiet", "--overwrite", "--device", "auto", "--pinned-mb", "7", environment=environment, expect=DONE)
    assert quiet.out == quiet.err == ""
    run(*fuse_words, "--overwrite", "--device", "cpu", expect=DONE)
    assert snapshot(tmp_path / "out") == here


def test_the_cpu_steps_in_before_the_first_matrix_alone(fuse_words, tmp_path):
    environment = with_module(FAKE, FAKE_CUDA_FAILS="run")
    outcome = run(*fuse_words, environment=environment, expect=DONE)
    assert "note: the CPU is used: cuda:0, Fake GPU: no memory at the start" in outcome.err
    run("verify", tmp_path / "out", expect=DONE)
    environment = with_module(FAKE, FAKE_CUDA_FAILS="late")
    before = snapshot(tmp_path)
    error = refusal(*fuse_words, "--overwrite", environment=environment, expect=FAILED)
    assert error["kind"] == "device-memory" and "late" in error["message"]
    assert snapshot(tmp_path) == before


def test_pinned_memory_is_a_whole_number(fuse_words):
    for value in ("0", "-1", "x", "1.5", "1000001"):
        assert run(*fuse_words, "--pinned-mb", value).code == USAGE
    assert run("devices", "--pinned-mb", "5").code == USAGE
