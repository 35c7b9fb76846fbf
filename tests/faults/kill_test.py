"""A fuse that is killed at any of its calls on the disk loses nothing, and --resume finishes it."""

import pytest

from e2e.program import DONE, run

from .preloaded import SANITIZED, TRANSFERS
from .scene import below, different

# Sanitized programs take ten times as long: every fourth call there.
STEP = 4 if SANITIZED else 1


def moments(calls):
    """Rules that kill before each call, and after a part of each transfer, and after the last call."""
    for number, call in enumerate(calls, 1):
        yield f"do=before nth={number}"
        if call.name in TRANSFERS:
            yield f"do=part nth={number}"
    yield f"do=after nth={len(calls)}"


@pytest.mark.parametrize(
    "weights, durability, old", [("stored", "full", False), ("recipe", "none", False), ("recipe", "full", True), ("stored", "none", True)]
)
def test_killed_at_every_call(scene, weights, durability, old):
    words = scene.fuse("--durability", durability, weights=weights)
    if old:
        run(*words, "--alpha", "0.5", expect=DONE)
        scene.add_to_start()
        words.append("--overwrite")
    calls, made = scene.undisturbed(*words)
    assert len(calls) > 30 and below(scene.start, "out") != made
    assert (sum(call.name == "sync" for call in calls) == 0) == (durability == "none")
    seen = set()
    for rule in list(moments(calls))[::-STEP]:  # with the last one: the run is done
        scene.kill(rule, *words)
        out = scene.check_now(made)
        seen.add(out == made)
        if out is None or old:
            run(*words, "--resume", expect=DONE)
            assert not different(scene.check_now(made, partials=False), made), rule
        scene.reset()
    assert seen == {False, True}


def test_a_delta_is_whole_or_absent(scene):
    words = ["generate", "--base-model", scene.root / "base", "--output-dir", scene.out, "--threads", 1, "--quiet"]
    calls, made = scene.undisturbed(*words)
    for rule in list(moments(calls))[::STEP]:
        scene.kill(rule, *words)
        if scene.check_now(made) is None:
            run(*words, expect=DONE)
            assert not different(scene.check_now(made), made), rule
        scene.reset()
