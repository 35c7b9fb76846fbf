"""A fuse that is killed at random moments loses nothing, and --resume finishes it."""

import shutil
import time

import pytest

from e2e.checkpoints import Layout, random_deltas, write_checkpoint, write_foreign_delta
from e2e.program import DONE, run

from .crash import seeded
from .preloaded import SANITIZED, start_with
from .scene import Scene, different

MOMENTS = 20 if SANITIZED else 104
LAYOUT = Layout(layers=6, hidden=128, width=512, shards=6)
RATE = "100MB"


@pytest.fixture(scope="module")
def scene(memory, tmp_path_factory):
    folder = memory / "moments"
    write_checkpoint(folder / "disk" / "base", LAYOUT)
    write_foreign_delta(folder / "disk" / "stored", random_deltas(LAYOUT))
    return Scene(folder / "disk", tmp_path_factory.mktemp("moments"))


def test_killed_at_random_moments(scene):
    words = ["fuse", "--model", scene.root / "base", "--weights", scene.root / "stored", "--output", scene.out, "--device", "cpu",
             "--threads", 3, "--quiet"]
    times = []
    for _ in range(3):
        start = time.monotonic()
        run(*words, "--limit-rate", RATE, expect=DONE)
        times.append(time.monotonic() - start)
        made = scene.take()
    took = sorted(times)[1]
    generator = seeded()
    whole = 0
    for moment in range(MOMENTS):
        old = moment % 4 == 3  # every fourth run replaces an output
        if old:
            run(*words, "--alpha", "0.5", "--durability", "none", expect=DONE)
            scene.add_to_start()
        more = ["--overwrite"] * old + ["--durability", generator.choice(["full", "none"])]
        process = start_with(scene.root, [], *words, "--limit-rate", RATE, *more)
        time.sleep(generator.uniform(0, 1.1 * took))
        process.kill()
        process.communicate()
        out = scene.check_now(made)
        whole += out == made
        # On a machine whose speed changes, a fifth of the runs is done before.
        took *= 0.9 if out == made else 1.03
        if out is None or old:
            run(*words, *more, "--resume", expect=DONE)
            assert not different(scene.check_now(made, partials=False), made), moment
        shutil.rmtree(scene.out)
        scene.forget()
    print(f"{whole} of {MOMENTS} runs were done before; the last was given {took:.3f} s at most")
    assert whole < MOMENTS * 3 / 4
