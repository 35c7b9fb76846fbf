"""Every state that a power cut may leave of a recorded run, held against what is promised."""

import os
import random

from .disk_model import Disk

SEED = int(os.environ.get("CONTOURFUSE_FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


def seeded():
    """A generator whose seed a failing test shows, and CONTOURFUSE_FAULTS_SEED gives back."""
    print(f"CONTOURFUSE_FAULTS_SEED={SEED}")
    return random.Random(SEED)


def states(disk, generator):
    """(calls that were made, tree) of the states of every moment."""
    for after in range(disk.calls + 1):
        for kept in disk.choices(after, generator):
            yield after, disk.crash(after, kept)


def crashes(scene, calls, made):
    """What is wrong in the states of a run with full durability, as text."""
    disk = Disk(scene.root, scene.start).replay(calls)
    for after, state in states(disk, seeded()):
        try:
            out = scene.check(state, made)
            assert after < disk.calls or out == made, "the run ended well, but its output is not there"
        except AssertionError as wrong:
            yield f"after {after} of {disk.calls} calls: {str(wrong).splitlines()[0]}"
