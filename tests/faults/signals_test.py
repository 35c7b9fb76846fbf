"""Ctrl-C and SIGTERM end a run within a second and leave nothing but its partial."""

import signal
import time

import pytest

from e2e.program import DONE, FAILED, run

from .preloaded import SANITIZED, preload, start_with
from .scene import Scene

SECONDS = 3 if SANITIZED else 1


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A scene whose base has some fifty megabytes."""
    preload(".")
    folder = tmp_path_factory.mktemp("slow")
    (folder / "disk").mkdir()
    base = folder / "disk" / "base"
    run("synth", "--like", "31b", "--scale", "1/8", "--layers", 2, "--output", base, "--durability", "none", expect=DONE)
    run("generate", "--base-model", base, "--output-dir", folder / "disk" / "recipe", "--recipe-only", expect=DONE)
    return Scene(folder / "disk", folder)


def wait_for_partial(slow, process):
    while not list(slow.root.glob("out.partial-*/*.safetensors")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_a_slow_run(slow, number):
    words = ["fuse", "--model", slow.root / "base", "--weights", slow.root / "recipe", "--output", slow.out, "--json", "--limit-rate", "10MB"]
    process = start_with(slow.root, [], *words)
    wait_for_partial(slow, process)
    time.sleep(0.3)
    start = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - start
    assert process.returncode == FAILED and '"interrupted"' in out, (out, err)
    assert took < SECONDS, took
    assert slow.check_now(None) is None
    slow.reset()


def test_a_second_signal_ends_it_at_once(slow):
    words = ["fuse", "--model", slow.root / "base", "--weights", slow.root / "recipe", "--output", slow.out, "--limit-rate", "10MB"]
    process = start_with(slow.root, [], *words)
    wait_for_partial(slow, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode in (FAILED, -signal.SIGINT, -signal.SIGTERM)
    assert slow.check_now(None) is None
    slow.reset()
